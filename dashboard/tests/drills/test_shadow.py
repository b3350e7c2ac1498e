"""Drill: a shadow that answers, dies, freezes and fails; no answer of the live package changes, and none comes later.

Every condition takes its turn in each round, so that what the machine does meanwhile meets all of them alike.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from conftest import SHORT
from dashboard.tests.drills import material
from dashboard.tests.drills.processes import shadows_of
from dashboard.tests.drills.running import Slipway, until
from dashboard.tests.drills.traffic import on_its_own
from releases.tests import hostile, models
from testing import loadgen
from testing.loadgen import Call, Outcome

pytestmark = pytest.mark.drill

ROUNDS, SECONDS, RATE, PLACE, MODEL = 3 if SHORT else 7, 4.0 if SHORT else 8.0, 200.0, "production", "shadowed"
# The bound of the issue: the p99 moves by less than this, or by less than this part of it.
MOST_SECONDS, MOST_PART = 0.001, 0.05


def test_a_shadow_that_dies_freezes_or_fails_is_noticed_by_no_caller(
    shared: Slipway, folder: Path, tell: Callable[[str], None]
) -> None:
    desk = Desk(shared, folder)
    waits: dict[str, list[float]] = {name: [] for name in desk.conditions}
    for turn in range(ROUNDS):
        names = list(desk.conditions)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            with desk.conditions[name]():
                waits[name].append(desk.p99())
    median = {name: statistics.median(found) for name, found in waits.items()}
    moved = {name: found - median["without"] for name, found in median.items()}
    said = ", ".join(f"{name} {1000 * found:.2f} ms" for name, found in median.items())
    paired, failed, dropped = desk.found()
    tell(
        f"shadow: {RATE:.0f} requests a second, median p99 of {ROUNDS} rounds: {said}; {desk.sent} requests, "
        f"{desk.bad} failed, {desk.unlike} not equal to the bit; {paired} pairs, {failed} without an answer, "
        f"{dropped} without room, {desk.killed} times killed"
    )
    assert not desk.bad
    assert not desk.unlike
    assert paired
    assert failed
    assert desk.killed
    # A short form has too few rounds for that on a machine with company.
    bound = max(MOST_SECONDS, MOST_PART * median["without"])
    assert SHORT or {name: found for name, found in moved.items() if found >= bound} == {}


class Desk:
    """A live package, two that can shadow it, and the conditions under which callers ask."""

    def __init__(self, slipway: Slipway, folder: Path) -> None:
        self.slipway, self.api = slipway, slipway.api()
        self.live = material.fill(slipway, folder, packages=1, model=MODEL)[-1]
        self.good = self.api.accepted(MODEL, material.tree(folder, 5))
        self.broken = self.api.accepted(MODEL, raising(folder))
        self.url = material.address(slipway, model=MODEL)
        self.headers = {"Authorization": f"Bearer {self.api.key(PLACE)}", "Content-Type": "application/json"}
        self.bodies = [json.dumps({"instances": [row]}).encode() for row in material.rows(20)]
        self.sent = self.bad = self.unlike = self.killed = 0
        self.releases: list[int] = []
        until("the key", lambda: httpx.post(self.url, content=self.bodies[0], headers=self.headers).status_code == 200)
        self.answers = [self._ask(body) for body in self.bodies]
        self.conditions: dict[str, Callable[[], Any]] = {
            "without": self.without,
            "shadowed": lambda: self.shadowed(self.good),
            "killed": self.killing,
            "frozen": self.frozen,
            "failing": lambda: self.shadowed(self.broken),
        }

    def p99(self) -> float:
        """Ask for a while, and see that each answer is what it was before; return the p99 in seconds."""
        outcomes: list[Outcome] = []
        calls = (Call(self.url, self.bodies[n % len(self.bodies)], self.headers) for n in range(1_000_000))
        watcher = Watcher(self)
        watcher.start()
        on_its_own(loadgen.run(loadgen.constant(RATE, SECONDS), calls, on_outcome=outcomes.append))
        watcher.ended.set()
        watcher.join()
        self.sent += len(outcomes) + watcher.asked
        self.bad += sum(outcome.error is not None for outcome in outcomes)
        self.unlike += watcher.unlike
        ranked = sorted(outcome.latency for outcome in outcomes)
        return ranked[int(len(ranked) * 0.99)]

    def _ask(self, body: bytes) -> bytes:
        return httpx.post(self.url, content=body, headers=self.headers, timeout=10).content

    @contextmanager
    def without(self) -> Iterator[None]:
        yield

    @contextmanager
    def shadowed(self, package: int) -> Iterator[None]:
        """Shadow all requests with the package."""
        body = {"model": MODEL, "package": package, "environment": PLACE, "strategy": "shadow", "pairs": 1_000_000}
        release = self.api.post("/releases/", **body)["id"]
        self.releases.append(release)
        until("the shadow", lambda: self.api.get(f"/releases/{release}/")["state"] == "shifting")
        yield
        self.api.post(f"/releases/{release}/end/")
        until("the end of the shadow process", lambda: not shadows_of(self.slipway.var))

    @contextmanager
    def killing(self) -> Iterator[None]:
        """Kill the shadow process again and again."""
        ended = threading.Event()

        def kill() -> None:
            while not ended.wait(0.7):
                for pid in shadows_of(self.slipway.var):
                    os.kill(pid, signal.SIGKILL)
                    self.killed += 1

        with self.shadowed(self.good):
            killer = threading.Thread(target=kill)
            killer.start()
            yield
            ended.set()
            killer.join()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Hold the shadow process still."""
        with self.shadowed(self.good):
            pids = shadows_of(self.slipway.var)
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            yield
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def found(self) -> tuple[int, int, int]:
        """Return how many pairs were compared, how many of them had no answer, and how many found no room."""
        shown = [self.api.get(f"/releases/{release}/comparison/") for release in self.releases]
        failed = sum(sum(each["failed"].values()) for each in shown)
        return sum(each["pairs"] for each in shown), failed, sum(each["dropped"] for each in shown)


class Watcher(threading.Thread):
    """Compares answers byte by byte with those of before, beside the load."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(name="watcher")
        self.desk, self.ended = desk, threading.Event()
        self.asked = self.unlike = 0

    def run(self) -> None:
        with httpx.Client(headers=self.desk.headers, timeout=10, trust_env=False) as client:
            while not self.ended.is_set():
                for body, answer in zip(self.desk.bodies, self.desk.answers, strict=True):
                    self.asked += 1
                    self.unlike += client.post(self.desk.url, content=body).content != answer
                    time.sleep(0.02)


def raising(folder: Path) -> Path:
    """Return a package that answers its example, and raises for every other row."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder
    from sklearn.tree import DecisionTreeRegressor

    x, y = models.table()
    model = make_pipeline(OrdinalEncoder(handle_unknown="error"), DecisionTreeRegressor()).fit(x[:2], y[:2])
    files = {
        "model.skops": models.skops_bytes(model),
        "signature.json": models.signature(*((name, "double") for name in material.COLUMNS)).encode(),
        "input_example.json": json.dumps(material.rows(2)).encode(),
    }
    return hostile.zipped(folder / "raising.zip", files)
