"""Strategies, by tables of what is seen and what is wanted."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releases.strategies import STRATEGIES, Seen

READY = Seen(state="waiting", gateways=1, adopted=1)


def plan(name: str, **changes: object) -> str:
    return STRATEGIES[name].plan(dataclasses.replace(READY, **changes)).action


CASES = [
    ({"state": "waiting"}, "begin"),
    ({"state": "waiting", "seconds_to_start": 5.0}, "hold"),
    ({"state": "waiting", "unmet": ("smoke is missing",)}, "hold"),
    ({"state": "waiting", "paused": True}, "hold"),
    ({"state": "preparing", "adopted": 0}, "hold"),
    ({"state": "preparing", "gateways": 0, "adopted": 0}, "hold"),
    ({"state": "preparing", "gateways": 2, "adopted": 1}, "hold"),
    ({"state": "preparing"}, "shift"),
    ({"state": "preparing", "load_error": "no such file"}, "fail"),
    ({"state": "preparing", "adopted": 0, "seconds_in_step": 500.0}, "fail"),
    ({"state": "preparing", "gateways": 0, "adopted": 0, "seconds_in_step": 500.0}, "hold"),
    ({"state": "shifting", "adopted": 0}, "hold"),
    ({"state": "shifting"}, "finish"),
    ({"state": "shifting", "load_error": "quarantined"}, "fail"),
    ({"state": "shifting", "load_error": "quarantined", "is_rollback": True}, "hold"),
    ({"state": "shifting", "adopted": 0, "seconds_in_step": 500.0}, "fail"),
    ({"state": "shifting", "adopted": 0, "seconds_in_step": 500.0, "is_rollback": True}, "hold"),
    ({"state": "watching", "load_error": "quarantined", "watch_seconds": 60.0, "seconds_in_state": 61.0}, "fail"),
    ({"state": "watching", "adopted": 0, "watch_seconds": 600.0, "seconds_in_step": 500.0}, "hold"),
    ({"state": "shifting", "watch_seconds": 60.0}, "watch"),
    ({"state": "watching", "watch_seconds": 60.0, "seconds_in_state": 10.0}, "hold"),
    ({"state": "watching", "watch_seconds": 60.0, "seconds_in_state": 61.0}, "finish"),
]


@pytest.mark.parametrize(("seen", "action"), CASES)
def test_blue_green_takes_the_next_small_step(seen: dict[str, object], action: str) -> None:
    assert plan("blue_green", **seen) == action


def test_blue_green_switches_everything_at_once() -> None:
    wanted = STRATEGIES["blue_green"].plan(dataclasses.replace(READY, state="preparing"))
    assert (wanted.weight, wanted.stable_weight) == (100.0, 0.0)


def test_recreate_takes_the_old_off_before_the_new_comes_on() -> None:
    off = STRATEGIES["recreate"].plan(dataclasses.replace(READY, state="preparing"))
    assert (off.action, off.weight, off.stable_weight) == ("shift", 0.0, 0.0)
    assert plan("recreate", state="shifting", step=0, adopted=0) == "hold"
    assert plan("recreate", state="shifting", step=0, adopted=0, seconds_in_step=500.0) == "fail"
    on = STRATEGIES["recreate"].plan(dataclasses.replace(READY, state="shifting", step=0))
    assert (on.action, on.weight, on.step) == ("step", 100.0, 1)
    assert plan("recreate", state="shifting", step=1, adopted=0, seconds_in_state=119.0, seconds_in_step=1.0) == "hold"
    assert plan("recreate", state="shifting", step=1, load_error="broken") == "fail"
    assert plan("recreate", state="shifting", step=1) == "finish"


def test_recreate_waits_for_nothing_when_nothing_was_live() -> None:
    assert plan("recreate", state="shifting", step=0, has_stable=False, gateways=0, adopted=0) == "step"


@given(
    name=st.sampled_from(sorted(STRATEGIES)),
    state=st.sampled_from(["waiting", "preparing", "shifting", "watching"]),
    gateways=st.integers(0, 3),
    missing=st.integers(0, 3),
    seconds=st.floats(0, 1e4),
    paused=st.booleans(),
)
def test_no_package_gets_traffic_before_every_live_gateway_has_it(
    name: str, state: str, gateways: int, missing: int, seconds: float, paused: bool
) -> None:
    adopted = max(0, gateways - missing)
    seen = Seen(state=state, step=1, gateways=gateways, adopted=adopted, seconds_in_state=seconds, paused=paused)
    wanted = STRATEGIES[name].plan(seen)
    assert wanted.reason
    if wanted.action == "finish":
        assert seen.all_adopted
        assert not paused
    if name == "blue_green" and wanted.weight:
        assert seen.all_adopted
