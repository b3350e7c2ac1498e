"""Servers that take turns: checked first, then A B C A B C, each alone while the others stand still."""

from __future__ import annotations

import fcntl
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx

from benchmarks.race.load import Round, measure
from benchmarks.race.models import Model
from benchmarks.race.servers import Server

CLOSE = 1e-5
ASKED_AT_ONCE = 8


@dataclass(frozen=True)
class Case:
    """A server that is asked for one model over so many connections; the key of every result."""

    server: str
    model: str
    connections: int


@dataclass(frozen=True)
class Result:
    """All rounds of one case."""

    rounds: tuple[Round, ...]

    def middle(self, name: str) -> float:
        return median(getattr(each, name) for each in self.rounds)

    def span(self, name: str) -> tuple[float, float]:
        found = [getattr(each, name) for each in self.rounds]
        return min(found), max(found)

    @property
    def errors(self) -> int:
        return sum(each.errors for each in self.rounds)


@dataclass(frozen=True)
class Plan:
    """How long a race lasts. `lock`: a file that is locked while a round runs, so that two races do not meet."""

    rounds: int
    seconds: int
    lock: Path | None = None


def race(
    servers: Sequence[Server], model: Model, connections: Mapping[str, Sequence[int]], plan: Plan
) -> dict[Case, Result]:
    """Return the results of servers that are up; `connections` by server. Raises AssertionError for a wrong answer."""
    found: dict[Case, list[Round]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        bodies = {server.name: _write(Path(folder), server, model) for server in servers}
        for server in servers:
            check(server, model)
            measure(server, bodies[server.name], 16, 1)
        for _ in range(plan.rounds):
            with alone(plan.lock):
                for server in servers:
                    for count in connections[server.name]:
                        taken = measure(server, bodies[server.name], count, plan.seconds)
                        found[Case(server.name, model.name, count)].append(taken)
    return {case: Result(tuple(rounds)) for case, rounds in found.items()}


@contextmanager
def alone(lock: Path | None) -> Iterator[None]:
    """Hold the lock, where there is one."""
    if lock is None:
        yield
        return
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def check(server: Server, model: Model) -> None:
    """Ask for every row once, several at a time, and compare with scikit-learn; raises AssertionError."""
    bodies = server.ask.bodies(model.rows)
    server.resume()
    if not bodies:
        assert server.send(None).status_code == 200
        return
    headers = {"content-type": "application/json", **server.ask.headers}
    with httpx.Client(headers=headers, trust_env=False, timeout=60) as client:

        def ask(body: bytes) -> httpx.Response:
            return client.post(server.url, content=body)

        with ThreadPoolExecutor(ASKED_AT_ONCE) as threads:
            replies = list(threads.map(ask, bodies))
    for number, reply in enumerate(replies):
        assert reply.status_code == 200, f"{server.name}: {reply.status_code} {reply.text[:300]}"
        _compare(server, model, number, reply.json())


def _compare(server: Server, model: Model, number: int, answer: object) -> None:
    label, shares = server.ask.label(answer), server.ask.probabilities(answer)
    if shares is not None:
        wanted = model.probabilities[number]
        worst = max(abs(ours - theirs) for ours, theirs in zip(shares, wanted, strict=True))
        assert worst < CLOSE, f"{server.name}: row {number} differs by {worst}"
    assert label == model.labels[number], f"{server.name}: row {number} is {label}, not {model.labels[number]}"


def _write(folder: Path, server: Server, model: Model) -> Path | None:
    bodies = server.ask.bodies(model.rows)
    if not bodies:
        return None
    path = folder / f"{server.name}.txt"
    path.write_bytes(b"\n".join(bodies) + b"\n")
    return path
