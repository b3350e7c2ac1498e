"""Drill: whatever strangers do to one model of a gateway, another model's callers do not notice it."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from conftest import SHORT
from dashboard.tests.drills.traffic import on_its_own
from serving import exchange
from serving.contract import Signature
from serving.routing import Route, RouteTable
from serving.tests.builders import matrix
from serving.tests.forms import ROW, package, pipeline
from serving.tests.processes import GatewayProcess, Valkey, wait_for
from testing.loadgen import Call, Limits, Result, constant, run

pytestmark = pytest.mark.drill

ROOT = Path(__file__).parents[3]
SECONDS = 8 if SHORT else 30
IDLE, SLOW = (1000, 100) if SHORT else (5000, 200)
RATE, TIMES, FACTOR = 50.0, 10, 3.0
WIDTH, TREES = 8, 1500


@dataclass
class Place:
    """A gateway that serves `eta`, cheap and ours, and `forest`, costly and attacked."""

    gateway: GatewayProcess

    def address(self, model: str) -> str:
        return f"http://127.0.0.1:{self.gateway.port}/dev/v1/models/{model}:predict"

    def quiet(self) -> Result:
        return self.measured(SECONDS)

    def measured(self, seconds: float) -> Result:
        """Return what a well-behaved client of `eta` sees, from the moments at which it meant to send."""
        body = json.dumps({"instances": [ROW]}).encode()
        calls = itertools.repeat(Call(self.address("eta"), body, {"content-type": "application/json"}))
        return on_its_own(run(constant(RATE, seconds), calls, limits=Limits(timeout=5.0)))

    def memory(self) -> float:
        """Return the resident memory in MiB."""
        status = Path(f"/proc/{self.gateway.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    artefacts = tmp_path / "artefacts"
    artefacts.mkdir()
    valkey = Valkey()
    exchange.put_environments(valkey.redis, ["dev"])
    routes = {"eta": Route("eta", (package(artefacts, 1),)), "forest": Route("forest", (forest(artefacts),))}
    exchange.put_table(valkey.redis, RouteTable("dev", 1, routes, keyless=True))
    process = GatewayProcess(valkey.url, tmp_path / "data").start()
    try:
        wait_for(process.ready)
        yield Place(process)
    finally:
        process.kill()
        valkey.close()


def forest(artefacts: Path) -> Any:
    """A scikit-learn forest: it computes in Python's own threads, so it is the one that could hold others up."""
    draw = np.random.default_rng(0)
    inputs = draw.random((2000, WIDTH))
    model = RandomForestRegressor(TREES, max_depth=6, random_state=0).fit(inputs, inputs.sum(axis=1))
    return pipeline(artefacts, 7, model, Signature.to_json(matrix(WIDTH)))


def row() -> str:
    return json.dumps({"instances": [[0.5] * WIDTH]})


@contextmanager
def crowd(kind: str, url: str, seconds: float, rate: float, seen: dict[str, Any]) -> Iterator[None]:
    """Run a crowd beside the block; afterwards `seen` says what came of it."""
    command = [sys.executable, "-m", "dashboard.tests.drills.crowd", kind, url, str(seconds), str(rate), row()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
        try:
            time.sleep(1.0)
            yield
            out, _ = process.communicate(timeout=seconds + 30)
            seen.update(json.loads(out))
        finally:
            process.kill()


def capacity(place: Place) -> float:
    """Return how many requests a second the forest answers when it is never without work."""
    seen: dict[str, Any] = {}
    with crowd("storm", place.address("forest"), 4.0, 2000.0, seen):
        pass
    return float(seen["seen"]["200"]) / 4.0


def p99(result: Result) -> float:
    return float(result.totals.percentiles()["p99"] or 0.0) * 1000


def judge(busy: Result, *quiet: Result) -> None:
    """Only the full form has the requests that a p99 can be judged by: of 400 it is the fourth slowest."""
    if not SHORT:
        assert p99(busy) < FACTOR * max(map(p99, quiet))


def told(what: str, quiet: Result, busy: Result, more: str) -> str:
    return (
        f"{what}: another model's {busy.totals.finished} requests, failed {busy.totals.failed}, "
        f"p99 {p99(busy):.1f} ms ({p99(quiet):.1f} ms before); {more}"
    )


def test_a_storm_on_one_model_leaves_another_alone(place: Place, tell: Callable[[str], None]) -> None:
    can, memory, quiet = capacity(place), place.memory(), place.quiet()
    seen: dict[str, Any] = {}
    with crowd("storm", place.address("forest"), SECONDS + 2.0, TIMES * can, seen):
        busy = place.measured(SECONDS)
        grown = place.memory()
    time.sleep(3.0)
    after, rest = place.measured(SECONDS / 2), place.memory()
    tell(
        told(
            f"storm of {seen['rate']:.0f} requests a second on a forest that answers {can:.0f}",
            quiet,
            busy,
            f"the storm saw {seen['seen']}, 99 of 100 refusals within {seen['refused_p99'] * 1000:.0f} ms; "
            f"memory {memory:.0f} → {grown:.0f} → {rest:.0f} MiB, p99 afterwards {p99(after):.1f} ms",
        )
    )
    assert set(seen["seen"]) <= {"200", "503", "unsent"}
    assert seen["seen"]["503"] > 5 * seen["seen"]["200"]
    assert busy.totals.failed == after.totals.failed == 0
    assert rest < memory + 64
    judge(busy, quiet, after)


@pytest.mark.parametrize(("kind", "count"), [("idle", IDLE), ("trickle", SLOW)])
def test_slow_and_silent_clients_cost_others_nothing(
    place: Place, tell: Callable[[str], None], kind: str, count: int
) -> None:
    quiet, memory = place.quiet(), place.memory()
    seen: dict[str, Any] = {}
    with crowd(kind, place.address("forest"), SECONDS + 4.0, count, seen):
        busy = place.measured(SECONDS)
        grown = place.memory()
    time.sleep(1.0)
    after = place.measured(SECONDS / 2)
    more = f"p99 afterwards {p99(after):.1f} ms, memory {memory:.0f} → {grown:.0f} MiB"
    tell(told(f"{seen['connections']} {kind} connections", quiet, busy, more))
    assert seen["connections"] == count
    assert busy.totals.failed == 0
    judge(busy, quiet, after)
    assert place.gateway.ready()
