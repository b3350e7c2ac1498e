"""Strategies, by tables of what is seen and what is wanted."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releases.strategies import STRATEGIES, Seen, canary
from releases.strategies.canary import STEPS

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
    times = {"seconds_in_state": seconds, "seconds_in_step": seconds}
    seen = Seen(state=state, step=1, gateways=gateways, adopted=adopted, paused=paused, steps=STEPS, **times)
    wanted = STRATEGIES[name].plan(seen)
    assert wanted.reason
    if wanted.action == "finish":
        assert seen.all_adopted
        assert not paused
    if name != "recreate" and wanted.weight:
        assert seen.all_adopted


AT_STEP = {"state": "shifting", "steps": STEPS, "least_requests": 400, "requests": 400, "weight": 5.0}
CANARY = [
    ({"state": "preparing", "steps": STEPS}, ("shift", 1.0, 99.0, 1)),
    ({"state": "preparing", "steps": STEPS, "adopted": 0}, ("hold", None, None, None)),
    ({"state": "preparing", "steps": STEPS, "load_error": "broken"}, ("fail", None, None, None)),
    (AT_STEP | {"step": 1, "seconds_in_step": 299.0}, ("hold", None, None, None)),
    (AT_STEP | {"step": 1, "seconds_in_step": 300.0}, ("step", 5.0, 95.0, 2)),
    (AT_STEP | {"step": 1, "seconds_in_step": 9e9, "requests": 399}, ("hold", None, None, None)),
    (AT_STEP | {"step": 1, "seconds_in_step": 300.0, "paused": True}, ("hold", None, None, None)),
    (AT_STEP | {"step": 1, "seconds_in_step": 300.0, "adopted": 0}, ("hold", None, None, None)),
    (AT_STEP | {"step": 1, "load_error": "quarantined"}, ("fail", None, None, None)),
    # The last step is left by a certificate alone.
    (AT_STEP | {"step": 4, "seconds_in_step": 9e9}, ("hold", None, None, None)),
    (AT_STEP | {"step": 4, "seconds_in_step": 9e9, "verdict": "continue"}, ("hold", None, None, None)),
    (AT_STEP | {"step": 4, "seconds_in_step": 9e9, "verdict": "hold"}, ("hold", None, None, None)),
    (AT_STEP | {"step": 4, "seconds_in_step": 1.0, "verdict": "promote"}, ("hold", None, None, None)),
    (AT_STEP | {"step": 4, "seconds_in_step": 1800.0, "verdict": "promote"}, ("step", 100.0, 0.0, 5)),
    # Where it is watched afterwards, the old package keeps a control share.
    (
        AT_STEP | {"step": 4, "seconds_in_step": 1800.0, "verdict": "promote", "watch_seconds": 60.0, "control": 5.0},
        ("step", 95.0, 5.0, 5),
    ),
    (AT_STEP | {"step": 5}, ("finish", 100.0, 0.0, None)),
    # What the judge finds is held by nothing.
    (AT_STEP | {"step": 1, "verdict": "rollback"}, ("fail", None, None, None)),
    (AT_STEP | {"step": 1, "verdict": "rollback", "paused": True}, ("fail", None, None, None)),
    (AT_STEP | {"step": 1, "verdict": "rollback", "adopted": 0}, ("fail", None, None, None)),
    (AT_STEP | {"step": 1, "verdict": "invalid"}, ("fail", None, None, None)),
    ({"state": "watching", "steps": STEPS, "verdict": "rollback"}, ("roll_back", None, None, None)),
]


@pytest.mark.parametrize(("seen", "wanted"), CANARY)
def test_a_canary_takes_the_next_small_step(seen: dict[str, object], wanted: tuple) -> None:
    found = STRATEGIES["canary"].plan(dataclasses.replace(READY, **seen))
    assert (found.action, found.weight, found.stable_weight, found.step) == wanted


def test_a_watched_blue_green_keeps_a_control_share_and_goes_back_when_the_judge_says_so() -> None:
    watched = dataclasses.replace(READY, watch_seconds=60.0, control=5.0)
    shift = STRATEGIES["blue_green"].plan(dataclasses.replace(watched, state="preparing"))
    assert (shift.weight, shift.stable_weight) == (95.0, 5.0)
    first = STRATEGIES["blue_green"].plan(dataclasses.replace(watched, state="preparing", has_stable=False))
    assert (first.weight, first.stable_weight) == (100.0, 0.0)
    fault = dataclasses.replace(watched, state="watching", verdict="rollback", verdict_reason="errors")
    assert STRATEGIES["blue_green"].plan(fault).action == "roll_back"


@pytest.mark.parametrize(("weight", "step"), [(0.5, 1), (1, 1), (4, 1), (5, 2), (24, 2), (25, 3), (50, 4), (99, 4)])
def test_a_weight_set_by_hand_belongs_to_the_last_step_that_it_reaches(weight: float, step: int) -> None:
    assert canary.place_of(weight, STEPS) == step


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([], "1 to 20 steps"),
        ("often", "1 to 20 steps"),
        ([(0, 60)], "between 0 and 100"),
        ([(100, 60)], "between 0 and 100"),
        ([(5, 60), (5, 60)], "higher than the one before"),
        ([(5, 0)], "from a second"),
        ([(5, float("nan"))], "from a second"),
        ([(float("nan"), 60)], "between 0 and 100"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_in_words(steps: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        canary.checked(steps)


def test_the_usual_plan_makes_sense_and_takes_an_hour() -> None:
    assert canary.checked(STEPS) == STEPS
    assert sum(seconds for _, seconds in STEPS) == 3600
