"""Edge as a pure function: never on by silence, off by failures alone, and nothing holds a withdrawal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from releases.strategies import Plan, Seen
from releases.strategies.base import Fleet
from releases.strategies.edge import FAILING, MOST, Edge, failing

COUNTS = st.integers(0, 1000)
STEPS = ((1.0, 60.0), (10.0, 60.0), (50.0, 60.0))


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    """Fleets as they can be: those who took it or failed are in the share."""
    chosen = draw(COUNTS)
    took = draw(st.integers(0, chosen))
    failed = draw(st.integers(0, chosen - took))
    return Fleet(
        draw(st.integers(chosen, 2000)), chosen, took, failed, draw(st.booleans()), draw(st.sampled_from(["", "no"]))
    )


SIGHTS = st.builds(
    Seen,
    state=st.sampled_from(["waiting", "preparing", "shifting"]),
    step=st.integers(1, 3),
    weight=st.floats(0, 100),
    seconds_in_step=st.floats(0, 10_000),
    is_rollback=st.booleans(),
    paused=st.booleans(),
    held=st.sampled_from(["", "The line is stopped."]),
    steps=st.just(STEPS),
    fleet=fleets(),
)


def plan(seen: Seen) -> Plan:
    return Edge().plan(seen)


@given(SIGHTS)
def test_more_devices_get_it_only_when_those_in_the_share_run_it(seen: Seen) -> None:
    fleet = seen.fleet
    assert fleet
    if plan(seen).action in ("step", "finish") and not seen.is_rollback and fleet.devices:
        assert seen.state == "shifting"
        assert seen.seconds_in_step >= 60
        assert not fleet.chosen or fleet.took >= MOST * fleet.chosen
        assert not seen.paused
        assert not seen.held


@given(SIGHTS)
def test_it_is_taken_back_for_failures_alone(seen: Seen) -> None:
    fleet = seen.fleet
    assert fleet
    if plan(seen).action == "fail" and seen.state == "shifting":
        assert fleet.failed >= min(2, fleet.chosen) > 0
        assert fleet.failed > FAILING * (fleet.took + fleet.failed)
        assert not seen.is_rollback


@given(SIGHTS)
def test_nothing_holds_a_withdrawal_that_is_offered(seen: Seen) -> None:
    if seen.is_rollback and seen.state == "shifting":
        assert plan(seen).action == "finish"


@given(SIGHTS)
def test_the_shares_of_both_are_everything(seen: Seen) -> None:
    found = plan(seen)
    if found.weight is not None:
        assert found.stable_weight is not None
        assert abs(found.weight + found.stable_weight - 100) < 1e-9


def test_one_broken_device_is_no_reason_but_the_only_one_is() -> None:
    assert failing(Fleet(devices=100, chosen=10, took=9, failed=1)) == ""
    assert failing(Fleet(devices=100, chosen=10, took=8, failed=2))
    assert failing(Fleet(devices=1, chosen=1, took=0, failed=1))
    assert failing(Fleet(devices=1000, chosen=500, took=490, failed=10)) == ""
