"""Limits hold over all gateways together, however the load lies between them; simulated, with a clock of its own."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.gateway.limits import Bucket, Limiter, Places, Tally, places, shares
from serving.gateway.shares import LOOK_SECONDS

pytestmark = pytest.mark.same_everywhere
STEP = 1 / 1024
FRESH = 1.25
Load = Callable[[float], Sequence[float]]
uses = st.lists(st.floats(0, 1e6), min_size=1, max_size=12)


@dataclass
class Gateway:
    """One simulated gateway: its bucket, when in a second it tells what it was asked, its debt of load."""

    bucket: Bucket
    phase: float
    alive: bool = True
    due: float = 0.0
    told: list[tuple[float, float]] = field(default_factory=list)
    cut_off: bool = False


class Fleet:
    """Gateways that share one limit as the real ones do: each tells its use once a second, and looks a little later."""

    def __init__(self, limit: float, count: int) -> None:
        self.limit, self.now = limit, 0.0
        self.gateways = [Gateway(Bucket(limit, 1 / count, 0.0), 0.003 * number) for number in range(count)]
        self.granted: list[float] = []

    def run(self, seconds: float, load: Load) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += STEP
            for gateway, rate in zip(self.gateways, load(self.now), strict=True):
                if gateway.alive:
                    self._exchange(gateway)
                    self._ask(gateway, rate)

    def _ask(self, gateway: Gateway, rate: float) -> None:
        gateway.due += rate * STEP
        while gateway.due >= 1:
            gateway.due -= 1
            if gateway.bucket.wait(self.now) == 0:
                gateway.bucket.take()
                self.granted.append(self.now)

    def _exchange(self, gateway: Gateway) -> None:
        if self._comes(gateway.phase):
            use = gateway.bucket.measure(self.now)
            if not gateway.cut_off:
                gateway.told.append((self.now, use))
        if self._comes(gateway.phase + LOOK_SECONDS) and gateway.told and not gateway.cut_off:
            fresh = [each for each in self.gateways if each.told and self.now - each.told[-1][0] < FRESH]
            share = shares(self.limit, [each.told[-1][1] for each in fresh])[fresh.index(gateway)]
            gateway.bucket.resize(self.limit, share, self.now)

    def _comes(self, phase: float) -> bool:
        return int(self.now - phase) > int(self.now - STEP - phase)

    def windows(self, start: float = 0.0) -> tuple[float, float]:
        """Return the fewest and the most that were granted in any 10 s, as parts of what the limit allows."""
        begins = [start + 0.25 * i for i in range(int((self.now - start - 10) * 4) + 1)]
        counts = [bisect_left(self.granted, at + 10) - bisect_left(self.granted, at) for at in begins]
        return min(counts) / (10 * self.limit), max(counts) / (10 * self.limit)


def spread(limit: float, parts: Sequence[float], times: float) -> Load:
    rates = [limit * times * part / sum(parts) for part in parts]
    return lambda _: rates


PARTS = [(1,), (1, 1), (9, 1), (1, 0), (7, 3), (1, 1, 1, 1, 1), (1, 0, 0, 0, 0), (5, 4, 3, 2, 1)]


@pytest.mark.parametrize("parts", PARTS, ids=str)
@pytest.mark.parametrize("limit", [20, 300])
@pytest.mark.parametrize("times", [1.3, 4])
def test_steady_load_gets_the_limit_within_a_tenth_over_any_ten_seconds(
    parts: tuple[int, ...], limit: int, times: float
) -> None:
    fleet = Fleet(limit, len(parts))
    fleet.run(3.37, lambda _: [0] * len(parts))
    fleet.run(17, spread(limit, parts, times))
    fewest, most = fleet.windows(3.37)
    assert 0.9 <= fewest <= most <= 1.1


@settings(max_examples=15, deadline=None)
@given(
    parts=st.lists(st.floats(0.05, 1), min_size=1, max_size=4),
    limit=st.integers(10, 150),
    times=st.floats(1.3, 8),
    idle=st.floats(0, 2),
)
def test_any_steady_load_gets_the_limit_within_a_tenth(
    parts: list[float], limit: int, times: float, idle: float
) -> None:
    fleet = Fleet(limit, len(parts))
    fleet.run(1 + idle, lambda _: [0] * len(parts))
    fleet.run(13, spread(limit, parts, times))
    fewest, most = fleet.windows(1 + idle)
    slack = (len(parts) + 1) / (10 * limit)
    assert 0.9 - slack <= fewest
    assert most <= 1.1 + slack


def test_a_gateway_that_dies_leaves_its_share_to_the_others() -> None:
    fleet = Fleet(100, 3)
    fleet.run(10.3, spread(100, (2, 1, 1), 3))
    fleet.gateways[0].alive = False
    fleet.run(12, spread(100, (0, 1, 1), 3))
    fewest, most = fleet.windows()
    assert 0.9 <= fewest <= most <= 1.1


def test_a_gateway_that_joins_takes_its_share_from_the_others() -> None:
    fleet = Fleet(100, 3)
    fleet.gateways[2].alive = False
    fleet.run(10.3, spread(100, (1, 1, 0), 3))
    fleet.gateways[2].alive = True
    fleet.run(12, spread(100, (1, 1, 1), 3))
    fewest, most = fleet.windows()
    assert 0.9 <= fewest <= most <= 1.1


def test_without_redis_every_gateway_keeps_its_last_share() -> None:
    fleet = Fleet(100, 2)
    fleet.run(6.5, spread(100, (4, 1), 3))
    for gateway in fleet.gateways:
        gateway.cut_off = True
    fleet.run(15, spread(100, (4, 1), 3))
    fewest, most = fleet.windows()
    assert 0.9 <= fewest <= most <= 1.1


def test_load_that_moves_from_one_gateway_to_another_never_gets_more_than_the_limit() -> None:
    fleet = Fleet(100, 2)
    for turn in range(5):
        fleet.run(4.3, spread(100, (turn % 2, 1 - turn % 2), 3))
    assert fleet.windows()[1] <= 1.1


def test_load_below_the_limit_is_never_refused() -> None:
    fleet = Fleet(50, 2)
    fleet.run(15, spread(50, (3, 1), 0.9))
    assert fleet.windows()[0] >= 0.89


@given(limit=st.floats(1, 1e6), asked=uses)
def test_shares_are_the_whole_and_leave_nobody_without(limit: float, asked: list[float]) -> None:
    found = shares(limit, asked)
    assert sum(found) == pytest.approx(1)
    assert all(share > 0 for share in found)
    assert sorted(found) == [share for _, share in sorted(zip(asked, found, strict=True))]


@given(limit=st.integers(1, 5000), asked=uses)
def test_places_add_up_to_the_limit_exactly(limit: int, asked: list[float]) -> None:
    found = places(limit, asked)
    assert sum(found) == limit
    assert min(found) >= (1 if limit >= len(asked) else 0)


def test_places_go_where_calls_run_long() -> None:
    assert places(10, [10.0, 1.0]) == [8, 2]
    assert places(1, [0.0, 3.0]) == [0, 1]


def test_a_bucket_says_when_to_come_again_and_never_grants_early() -> None:
    bucket, now = Bucket(4, 1.0, 0.0), 0.0
    while bucket.wait(now) == 0:
        bucket.take()
    wait = bucket.wait(now)
    assert bucket.wait(now + wait * 0.98) > 0
    assert bucket.wait(now + wait) == 0


def test_a_clock_that_goes_back_grants_nothing() -> None:
    bucket = Bucket(2, 1.0, 100.0)
    while bucket.wait(100.0) == 0:
        bucket.take()
    assert bucket.wait(40.0) > 0


def test_a_new_table_does_not_fill_the_bucket_again() -> None:
    bucket = Bucket(10, 1.0, 0.0)
    while bucket.wait(0.0) == 0:
        bucket.take()
    bucket.resize(20, 1.0, 0.0)
    assert bucket.wait(0.0) > 0


def limiter(rate: int | None = None, held: int | None = None, everybody: int | None = None) -> Limiter:
    bucket, most = (None if limit is None else Bucket(limit, 1.0, 0.0) for limit in (rate, everybody))
    return Limiter("dev", bucket, None if held is None else Places(held, held), most, Tally())


def test_a_refusal_says_which_limit_and_costs_nothing() -> None:
    caller = limiter(rate=1000, held=2)
    assert [caller.enter(0.0) for _ in range(2)] == [None, None]
    left = caller.rate.left
    refusal = caller.enter(0.0)
    assert (refusal.kind, caller.rate.left) == ("concurrency", left)
    assert "in flight" in refusal.words
    caller.leave()
    assert caller.enter(0.0) is None


def test_a_caller_over_its_own_limit_does_not_use_up_the_environments() -> None:
    caller = limiter(rate=1, everybody=1000)
    for _ in range(50):
        caller.enter(0.0)
    assert caller.environment_rate.measure(1.0) <= 1
    assert caller.tally.refused == 49
    assert caller.enter(0.0).policy == ("key", 1)


def test_the_environments_limit_holds_for_all_its_callers() -> None:
    one = limiter(rate=1000, everybody=1)
    one.enter(0.0)
    refusal = one.enter(0.0)
    assert refusal.words == "dev is over its limit of 1 request a second; try again."
    assert refusal.policy == ("environment", 1)


@given(st.lists(st.booleans(), max_size=60))
def test_places_are_never_overdrawn(steps: list[bool]) -> None:
    held, inside = Places(3, 3), 0
    for comes in steps:
        if comes:
            inside += held.enter()
        elif inside:
            held.leave()
            inside -= 1
        assert held.running == inside <= 3
