"""Drill: a key's limit over two gateways under steady load, and how long a revoked key is still answered."""

from __future__ import annotations

import json
import os
import signal
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import Any

import httpx
import pytest

from conftest import SHORT
from dashboard.tests.drills import material
from dashboard.tests.drills.running import Slipway, until
from dashboard.tests.drills.traffic import on_its_own
from serving.tests.processes import GatewayProcess
from testing import loadgen
from testing.loadgen import Call, Outcome

pytestmark = pytest.mark.drill

PLACE, MODEL, LIMIT, RATE = "production", "limited", 60, 150.0
WINDOW, TOLERANCE = 10.0, 0.1
SECONDS = 13.0 if SHORT else 25.0
REVOKED, REVOKED_WITHIN = (5 if SHORT else 30), 2.0
PATH = f"/{PLACE}/v1/models/{MODEL}:predict"
BODY = {"instances": material.rows(1)}
# One is the installation's gateway, two the other; each list is sent round and round.
LOADS = {"even": [1, 2], "9 to 1": [1] * 9 + [2], "all on one": [2]}


@pytest.fixture(scope="module")
def doors(shared: Slipway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Any]]:
    """The model live in production behind two gateways: address by number, and the second's process."""
    folder = tmp_path_factory.mktemp("keys")
    material.fill(shared, folder, packages=1, model=MODEL)
    second = GatewayProcess(shared.redis_url(), folder / "second", PLACE, more={"GATEWAY_NAME": "second"}).start()
    try:
        until("the second gateway", second.ready)
        yield {1: shared.production, 2: f"http://127.0.0.1:{second.port}", 0: second}
    finally:
        second.kill()


class Limited:
    """Steady load with one limited key; `order` says which gateway gets the next request."""

    def __init__(self, slipway: Slipway, doors: dict[int, Any]) -> None:
        issued = slipway.api().post("/keys/", environment=PLACE, name="limited", requests_per_second=LIMIT)
        self.headers = {"Authorization": f"Bearer {issued['secret']}", "Content-Type": "application/json"}
        self.doors, self.seen = doors, list[Outcome]()
        for door in (doors[1], doors[2]):
            until("the key to be known", lambda door=door: self.once(door) in (200, 429))

    def once(self, door: str) -> int:
        return httpx.post(f"{door}{PATH}", json=BODY, headers=self.headers, trust_env=False).status_code

    def run(self, order: Iterator[int], seconds: float = SECONDS) -> None:
        body = json.dumps(BODY).encode()
        calls = (Call(f"{self.doors[number]}{PATH}", body, self.headers) for number in order)
        on_its_own(loadgen.run(loadgen.constant(RATE, seconds), calls, on_outcome=self.seen.append))

    def windows(self) -> tuple[float, float]:
        """Return the least and the most that was granted in any 10 s, as parts of what the limit allows."""
        granted = sorted(outcome.done for outcome in self.seen if outcome.status == 200)
        last = max(outcome.done for outcome in self.seen)
        begins = [0.1 * step for step in range(int((last - WINDOW) * 10))]
        counts = [bisect_left(granted, begin + WINDOW) - bisect_left(granted, begin) for begin in begins]
        return min(counts) / (WINDOW * LIMIT), max(counts) / (WINDOW * LIMIT)

    def others(self) -> int:
        """Return how many answers were neither granted nor over the limit."""
        return sum(outcome.status not in (200, 429) for outcome in self.seen)


def check(name: str, load: Limited, tell: Callable[[str], None], lost: int = 0) -> None:
    least, most = load.windows()
    tell(
        f"limit of {LIMIT} a second, two gateways, {RATE:.0f} a second sent {name}: {least:.1%} to {most:.1%} granted "
        f"in any 10 s ({len(load.seen)} requests, other answers {load.others()})"
    )
    assert 1 - TOLERANCE <= least <= most <= 1 + TOLERANCE
    assert load.others() <= lost


@pytest.mark.parametrize("name", LOADS)
def test_two_gateways_keep_one_limit(
    shared: Slipway, doors: dict[int, Any], tell: Callable[[str], None], name: str
) -> None:
    load = Limited(shared, doors)
    time.sleep(2)
    load.run(cycle(LOADS[name]))
    check(name, load, tell)


def test_each_keeps_its_last_share_while_redis_is_away(
    shared: Slipway, doors: dict[int, Any], tell: Callable[[str], None]
) -> None:
    load = Limited(shared, doors)
    load.run(cycle(LOADS["9 to 1"]), 4.0)
    load.seen.clear()
    with held(shared):
        time.sleep(3)
        load.run(cycle(LOADS["9 to 1"]))
        ready = httpx.get(f"{doors[1]}/v2/health/ready", trust_env=False)
    check("9 to 1 without Redis", load, tell)
    assert (ready.status_code, "Redis is away" in ready.json().get("warning", "")) == (200, True)


@contextmanager
def held(slipway: Slipway) -> Iterator[None]:
    """Hold Valkey still: it answers nobody, and nobody starts another."""
    pid = slipway.children()["valkey"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
        slipway.until_well()


def test_a_revoked_key_is_refused_by_both_gateways(
    shared: Slipway, doors: dict[int, Any], tell: Callable[[str], None]
) -> None:
    waits = sorted(revoke_one(shared, doors) for _ in range(REVOKED))
    tell(
        f"revoked by REST until both gateways refuse: {REVOKED} keys, median {waits[len(waits) // 2]:.2f} s, "
        f"max {waits[-1]:.2f} s (limit {REVOKED_WITHIN:.0f} s)"
    )
    assert waits[-1] <= REVOKED_WITHIN


def revoke_one(slipway: Slipway, doors: dict[int, Any]) -> float:
    """Return the seconds from the answer to the revocation until the last of the two gateways refuses."""
    api = slipway.api()
    issued = api.post("/keys/", environment=PLACE, name="leaver")
    headers = {"Authorization": f"Bearer {issued['secret']}"}
    with httpx.Client(headers=headers, trust_env=False) as client:

        def statuses() -> set[int]:
            return {client.post(f"{doors[number]}{PATH}", json=BODY).status_code for number in (1, 2)}

        until("the new key to be known", lambda: statuses() == {200}, pause=0.01)
        began = time.monotonic()
        api.post(f"/keys/{issued['id']}/revoke/", reason="drill")
        until("the key to be refused", lambda: statuses() == {401}, pause=0.005)
        return time.monotonic() - began


def test_a_gateway_that_is_killed_leaves_its_share_to_the_other(
    shared: Slipway, doors: dict[int, Any], tell: Callable[[str], None]
) -> None:
    """Last, because it ends the second gateway; its callers go to the first one from then on."""
    load, killed = Limited(shared, doors), time.monotonic() + SECONDS / 2

    def order() -> Iterator[int]:
        for number in cycle([1, 2]):
            if time.monotonic() >= killed - 0.05:
                break
            yield number
        time.sleep(0.03)
        doors[0].process.kill()
        yield from cycle([1])

    load.run(order())
    # What was on its way to the killed gateway is nobody's: a machine under load has a request or two there.
    check("even, one killed", load, tell, lost=3)
