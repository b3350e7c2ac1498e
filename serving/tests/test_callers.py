"""Which limits belong to whom, and what is kept of them from one table to the next."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import pytest

from serving.gateway.callers import Callers
from serving.gateway.world import LiveTable
from serving.routing import Key
from serving.tests.builders import table

pytestmark = pytest.mark.same_everywhere


def key(text: str = "one", **more: Any) -> Key:
    return Key(hashlib.sha256(text.encode()).hexdigest(), text, ("*",), False, None, **more)


def live(*keys: Key, **more: Any) -> LiveTable:
    return LiveTable(table(keys=keys, **more), {}, 1)


def spend(callers: Callers, where: LiveTable, who: Key | None, count: int) -> int:
    limiter = callers.limiter(where, who)
    return sum(limiter.enter(0.0) is None for _ in range(count))


@pytest.fixture
def callers() -> Callers:
    return Callers(clock=lambda: 0.0)


def test_a_caller_without_limits_has_no_limiter(callers: Callers) -> None:
    assert callers.limiter(live(), None) is None
    assert callers.limiter(live(key()), key()) is None


def test_slipways_own_key_is_never_limited_nor_noted(callers: Callers) -> None:
    own = key(internal=True, requests_per_second=1, concurrent_requests=1)
    where = live(own, limits={"requests_per_second": 1})
    assert callers.limiter(where, own) is None
    callers.trace(where, own).fresh = True
    assert callers.used() == []


def test_two_secrets_of_one_key_share_its_limits(callers: Callers) -> None:
    old, new = key("old", row=7, requests_per_second=10), key("new", row=7, requests_per_second=10)
    where = live(old, new)
    granted = spend(callers, where, old, 50)
    assert granted == 5
    assert spend(callers, where, new, 50) == 0


def test_keyless_callers_share_the_environments_limit_with_the_keys(callers: Callers) -> None:
    where = live(key(), limits={"requests_per_second": 10})
    assert spend(callers, where, None, 50) == 5
    assert spend(callers, where, key(), 50) == 0
    assert callers.throttled() == {"dev": 95}


def test_a_new_table_gives_nobody_a_fresh_start(callers: Callers) -> None:
    who = key(row=1, requests_per_second=10, concurrent_requests=100)
    assert spend(callers, live(who), who, 50) == 5
    more = dataclasses.replace(who, requests_per_second=12)
    where = live(more, generation=2)
    assert spend(callers, where, more, 50) == 0
    assert callers.limiter(where, more).places.running == 5


def test_what_belongs_to_keys_that_are_gone_is_forgotten(callers: Callers) -> None:
    who = key(row=1, requests_per_second=10)
    callers.trace(live(who), who).fresh = True
    callers.limiter(live(who), who)
    callers.trace(live(key("other"), generation=2), key("other"))
    assert callers.used() == []
    assert callers.measure() == {"dev": {}}


def test_only_keys_used_since_the_last_look_are_told(callers: Callers) -> None:
    where = live(key("one"), key("two"))
    callers.trace(where, key("one")).fresh = True
    assert callers.used() == [key("one").hash]
    assert callers.used() == []


def test_a_new_limit_begins_with_an_equal_share() -> None:
    callers = Callers(gateways=lambda _: 4, clock=lambda: 0.0)
    who = key(row=1, requests_per_second=100, concurrent_requests=10)
    limiter = callers.limiter(live(who), who)
    assert (limiter.rate.share, limiter.places.allowed) == (0.25, 3)


def test_a_share_is_taken_over_and_what_is_not_named_stays(callers: Callers) -> None:
    who, other = key(row=1, requests_per_second=100, concurrent_requests=10), key("b", row=2, requests_per_second=5)
    where = live(who, other)
    limiter, untouched = callers.limiter(where, who), callers.limiter(where, other)
    callers.share({"dev": {"rate 1": 0.3, "places 1": 4}, "elsewhere": {"rate 1": 0.9}})
    assert (limiter.rate.share, limiter.places.allowed, untouched.rate.share) == (0.3, 4, 1.0)


def test_a_limit_taken_away_while_calls_run_leaves_no_debt(callers: Callers) -> None:
    who = key(row=1, concurrent_requests=1)
    limiter = callers.limiter(live(who), who)
    assert limiter.enter(0.0) is None
    free = dataclasses.replace(who, concurrent_requests=None)
    assert callers.limiter(live(free, generation=2), free) is None
    again = callers.limiter(live(who, generation=3), who)
    assert again.enter(0.0).kind == "concurrency"
    limiter.leave()
    assert again.enter(0.0) is None
