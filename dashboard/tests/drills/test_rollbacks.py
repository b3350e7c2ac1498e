"""Drill: how long after the click on roll back the last old answer comes, from two gateways under load."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from conftest import SHORT
from dashboard.tests.drills import material
from dashboard.tests.drills.running import Slipway, until
from dashboard.tests.drills.traffic import Traffic
from serving.tests.processes import GatewayProcess

pytestmark = pytest.mark.drill

ROLLBACKS, RATE, PLACE, MODEL = 20 if SHORT else 100, 50.0, "production", "taken-back"
# A click is judged when everything that was under way then has surely ended.
SETTLE, LIMIT = 0.8, 2.0


@pytest.fixture
def second(shared: Slipway, folder: Path) -> Iterator[GatewayProcess]:
    gateway = GatewayProcess(shared.redis_url(), folder / "second", PLACE, more={"GATEWAY_NAME": "second"}).start()
    try:
        until("the second gateway", gateway.ready)
        yield gateway
    finally:
        gateway.kill()


def test_a_rollback_is_over_in_well_under_a_second(
    shared: Slipway, second: GatewayProcess, folder: Path, tell: Callable[[str], None]
) -> None:
    live = material.fill(shared, folder, model=MODEL)[-1]
    key, waits = shared.api().key(PLACE), list[float]()
    ours = material.address(shared, model=MODEL)
    doors = [ours, ours.replace(shared.production, f"http://127.0.0.1:{second.port}")]
    for door in doors:
        material.wait_for_key(door, key)
    with ExitStack() as stack:
        loads = [stack.enter_context(Traffic(door, material.rows(), key, RATE)) for door in doors]
        for load in loads:
            load.first_answer(live, time.time())
        for number in range(ROLLBACKS):
            waits.append(last_old_answer(shared, loads, live, number))
            live = material.the_other(live)
    sent = sum(len(load.seen()) for load in loads)
    failures = [words for load in loads for words in load.failures().elements()]
    ranked = sorted(waits)
    tell(
        f"{len(waits)} rollbacks, two gateways, {2 * RATE:.0f} requests a second ({sent} in all, failed "
        f"{len(failures)}): click to the last old answer median {statistics.median(ranked):.3f} s, "
        f"p99 {ranked[int(len(ranked) * 0.99) - 1]:.3f} s, max {ranked[-1]:.3f} s"
    )
    assert not failures
    assert statistics.median(ranked) < LIMIT


def last_old_answer(slipway: Slipway, loads: list[Traffic], old: int, number: int) -> float:
    """Roll back; return the seconds from the click to the last answer of the package that was live."""
    new = material.the_other(old)
    clicked = time.time()
    slipway.api().post(f"/models/{MODEL}/rollback/", environment=PLACE, package=new, reason=f"drill {number}")
    for load in loads:
        load.first_answer(new, clicked)
    time.sleep(SETTLE)
    late = [each.done for load in loads for each in load.seen(clicked - 5) if each.package == old]
    # From the newest table on every answer is of the new package, or the rollback was none.
    newest = [each.package for load in loads for each in load.seen(time.time() - SETTLE / 4)]
    assert set(newest) == {new}
    return max(late, default=clicked) - clicked
