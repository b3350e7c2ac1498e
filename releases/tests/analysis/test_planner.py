"""The planner: longer for smaller faults and less traffic, an honest no, and words."""

from __future__ import annotations

import time

import pytest

from releases.analysis.planner import RUNS, Fault, Promise, Step, least, promise, sentence, span

pytestmark = pytest.mark.same_everywhere

HOUR = [Step(0.05, 3600)]
FAULT = Fault(0.005, 0.02)


def test_more_traffic_and_larger_faults_are_found_sooner() -> None:
    base = promise(50, HOUR, FAULT)
    assert base.seconds is not None
    assert promise(200, HOUR, FAULT).seconds < base.seconds
    assert promise(50, HOUR, Fault(0.005, 0.05)).seconds < base.seconds
    assert promise(50, [Step(0.25, 3600)], FAULT).seconds < base.seconds
    assert promise(50, HOUR, FAULT, dispersion=3.0).seconds > base.seconds


def test_the_same_question_gets_the_same_answer() -> None:
    assert promise(50, HOUR, FAULT) == promise(50, HOUR, FAULT)


def test_what_cannot_be_found_in_the_time_is_said() -> None:
    given = promise(0.2, HOUR, FAULT)
    assert given.seconds is None
    assert given.found < 0.5
    assert least(0.01, HOUR, 0.005) is None
    assert "in only" in sentence(0.2, HOUR, FAULT, given)


def test_the_least_fault_that_is_found_is_found() -> None:
    smallest = least(50, HOUR, 0.005)
    assert smallest is not None
    assert promise(50, HOUR, Fault(0.005, smallest)).seconds is not None
    assert promise(50, HOUR, Fault(0.005, smallest * 0.9)).found < 0.97


def test_a_plan_of_steps_is_played_step_by_step() -> None:
    steps = [Step(0.01, 600), Step(0.25, 600)]
    given = promise(20, steps, Fault(0.01, 0.05))
    assert given.seconds is not None
    assert 600 < given.seconds <= 1200


def test_slow_requests_can_be_asked_for() -> None:
    assert promise(50, HOUR, Fault(0.05, 0.10, "latency")).seconds is not None


def test_the_sentence_says_traffic_weight_fault_time_and_certainty() -> None:
    words = sentence(400 / 60, [Step(0.05, 14400)], Fault(0.005, 0.015), Promise(0.99, 7200, 2400))
    assert words == (
        "At 400 requests a minute and 5 % canary, an error rate that rises from 0.5 % to 1.5 % is found within about "
        "2 h in 95 of 100 cases."
    )


@pytest.mark.parametrize(
    ("seconds", "words"), [(40, "40 s"), (90, "1.5 min"), (1260, "21 min"), (5400, "1.5 h"), (259200, "3 days")]
)
def test_a_length_of_time_is_said_as_people_do(seconds: float, words: str) -> None:
    assert span(seconds) == words


@pytest.mark.parametrize(
    ("rate", "steps", "fault"),
    [
        (0, HOUR, FAULT),
        (50, [], FAULT),
        (50, [Step(5, 600)], FAULT),
        (50, [Step(0.05, 0)], FAULT),
        (50, HOUR, Fault(0.01, 0.01)),
        (50, HOUR, Fault(0.0, 0.01)),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(rate: float, steps: list[Step], fault: Fault) -> None:
    with pytest.raises(ValueError, match=r"rate|plan"):
        promise(rate, steps, fault)


def test_there_are_runs_enough_for_a_95th_percentile() -> None:
    assert RUNS >= 1000


def test_a_plan_of_months_is_played_in_as_little_time_as_one_of_an_hour() -> None:
    began = time.process_time()
    promise(0.5, [Step(0.05, 30 * 86400)] * 4, FAULT)
    long, began = time.process_time() - began, time.process_time()
    promise(50, HOUR, FAULT)
    assert long < 20 * (time.process_time() - began)
