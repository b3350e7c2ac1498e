"""Clients that call a gateway all the time while a drill does its worst, and what came of each request."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import redis

from serving import exchange
from testing.loadgen import Call, Limits, Outcome, Result, constant, drive, run


def on_its_own(load: Coroutine[Any, Any, Result]) -> Result:
    """Run a load to its end in a thread of its own: in the main one a browser's event loop may be open."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(drive, load).result()


@dataclass(frozen=True)
class Seen:
    """One request: when it was sent and answered (epoch), by which package, or which error."""

    sent: float
    done: float
    package: int | None
    error: str | None
    sentence: str


class Traffic:
    """An open workload in a thread of its own; a context manager."""

    def __init__(self, url: str, rows: Iterable[dict[str, Any]], key: str, rate: float) -> None:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        bodies = [json.dumps({"instances": [row]}).encode() for row in rows]
        self.calls = (Call(url, body, headers) for body in itertools.cycle(bodies))
        self.rate, self.zero = rate, float("inf")
        self.outcomes: list[Outcome] = []
        self.thread = threading.Thread(target=self._run, name="traffic")

    def __enter__(self) -> Traffic:
        self.thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Send no more, and wait for what is on its way."""
        if self.thread.is_alive():
            self.loop.call_soon_threadsafe(self.ending.set)
            self.thread.join(30)

    def seen(self, since: float = 0.0) -> list[Seen]:
        """Return what has ended by now and was sent after `since` (epoch)."""
        found = [_seen(outcome, self.zero) for outcome in list(self.outcomes)]
        return [each for each in found if each.sent >= since]

    def failures(self, since: float = 0.0) -> Counter[str]:
        """Return the requests that got no 2xx answer, by what they got instead."""
        bad = [each for each in self.seen(since) if each.error]
        return Counter(f"{each.error}: {each.sentence}" if each.sentence else str(each.error) for each in bad)

    def first_answer(self, package: int, after: float, seconds: float = 30.0) -> float:
        """Wait for the first answer of the package that came after `after` (epoch); return how long after."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = [each.done for each in self._latest(after) if each.package == package and not each.error]
            if found:
                return min(found) - after
            time.sleep(0.005)
        raise AssertionError(f"No answer of package {package} within {seconds:.0f} s; {self.failures(after)}")

    def _latest(self, after: float) -> list[Seen]:
        """Only the newest outcomes can have come after a click that was just made."""
        taken = itertools.takewhile(lambda outcome: outcome.done + self.zero >= after, reversed(self.outcomes[:]))
        return [_seen(outcome, self.zero) for outcome in taken]

    def _run(self) -> None:
        drive(self._work())

    async def _work(self) -> None:
        self.loop, self.ending = asyncio.get_running_loop(), asyncio.Event()
        limits = Limits(timeout=10.0)
        await run(constant(self.rate), self.calls, limits=limits, on_outcome=self._take, stop=self.ending)

    def _take(self, outcome: Outcome) -> None:
        """The generator counts from its own start; the smallest distance to the clock is when that was."""
        self.zero = min(self.zero, time.time() - outcome.done)
        self.outcomes.append(outcome)


def _seen(outcome: Outcome, zero: float) -> Seen:
    package = int(outcome.package) if outcome.package else None
    return Seen(outcome.sent + zero, outcome.done + zero, package, outcome.error, outcome.sentence)


class Adoptions:
    """Watches the heartbeats: when (epoch) a gateway first said that it serves a generation; a context manager."""

    def __init__(self, client: redis.Redis, environment: str) -> None:
        self.client, self.environment = client, environment
        self.first: dict[int, float] = {}
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._watch, name="adoptions")

    def __enter__(self) -> Adoptions:
        self.thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.ending.set()
        self.thread.join(10)

    def until(self, generation: int) -> float:
        """Return when the gateway said first that it had gone beyond the generation; infinity while it has not."""
        later = [at for number, at in self.first.items() if number > generation]
        return min(later, default=float("inf"))

    def _watch(self) -> None:
        while not self.ending.wait(0.005):
            for beat in exchange.heartbeats(self.client):
                if state := beat.environments.get(self.environment):
                    self.first.setdefault(state.generation, beat.at)
