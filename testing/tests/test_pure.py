"""The pure parts: schedules, the knee, validity, expectations, intervals, and what a sandboxed program may say."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releases import sandbox
from releases.errors import Refused
from testing import loadgen
from testing.loadgen import Outcome, Tally, lag
from testing.suites import knee, listening, measuring
from testing.suites.base import ERRORED, Found, Report
from testing.suites.knee import Step
from testing.suites.shapes import SHAPES
from testing.uat.expecting import Expectation, difference

pytestmark = pytest.mark.same_everywhere
RATES, SECONDS = st.floats(0.5, 300), st.floats(0.5, 5)


@given(st.sampled_from(sorted(SHAPES)), RATES, SECONDS, st.integers(0, 100))
def test_every_shape_ascends_and_stays_inside_its_time(shape, rate, seconds, seed):
    moments = list(SHAPES[shape](rate, seconds, seed))
    assert moments == sorted(moments)
    assert all(0 <= moment < seconds + 1e-9 for moment in moments)


@given(RATES, RATES, SECONDS)
def test_a_ramp_sends_as_many_as_its_mean_rate_asks(first, last, seconds):
    assert len(list(loadgen.ramp(first, last, seconds))) == pytest.approx((first + last) / 2 * seconds, abs=1.5)


def test_a_ramp_is_thin_at_its_slow_end():
    moments = list(loadgen.ramp(10, 100, 10))
    assert sum(moment < 5 for moment in moments) == pytest.approx(162, abs=2)  # 10·5 + 9·5²/2


def test_a_spike_is_the_middle_fifth():
    moments = list(loadgen.spike(10, 100, 5))
    assert [sum(n <= moment < n + 1 for moment in moments) for n in range(5)] == [10, 10, 100, 10, 10]


class Server:
    """Holds up to a capacity, with a little luck near it."""

    def __init__(self, capacity: float, noise: float = 0.0) -> None:
        self.capacity, self.noise, self.turn = capacity, noise, itertools.count()

    def probe(self, rate: float) -> Step:
        luck = 1 + self.noise * math.sin(next(self.turn) * 2.4)
        return Step(rate, "p99" if rate > self.capacity * luck else "")


@given(st.floats(1, 5000), st.floats(0, 0.02))
def test_the_knee_is_found_within_a_tenth(capacity, noise):
    found = knee.search(Server(capacity, noise).probe, 20, 1.6, 100_000)
    assert found.capacity == pytest.approx(capacity, rel=0.1)
    assert found.broke == "p99"
    assert found.confirmed >= 2


def test_a_server_that_nothing_breaks_is_at_least_as_good_as_the_highest_rate():
    found = knee.search(Server(1e9).probe, 20, 1.6, 3000)
    assert (found.capacity, found.broke) == (3000, "")


def test_a_server_that_holds_nothing_has_no_capacity():
    assert knee.search(Server(0).probe, 20, 1.6, 3000).capacity == 0


def lagging(seconds: float, count: int = 100) -> Tally:
    tally = Tally()
    for number in range(count):
        tally.observe(Outcome(number, number + seconds, number + seconds, number + seconds + 0.01), 0.01)
    return tally


@pytest.mark.parametrize(
    ("seconds", "target", "valid"),
    [(0.004, None, True), (0.006, None, False), (0.006, 1.0, True), (0.02, 1.0, False), (0.006, 0.1, False)],
)
def test_a_lagging_generator_measures_nothing(seconds, target, valid):
    assert (lag.disturbed(lagging(seconds), target) == "") is valid


def test_nothing_sent_is_nothing_measured():
    assert lag.disturbed(Tally()) == "Nothing was sent."


@given(
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from([None, "status 429", "unsent"])), max_size=20),
    st.integers(0, 20),
)
def test_tallies_add_up(outcomes, cut):
    parts, whole = [Tally(), Tally()], Tally()
    for number, (took, error) in enumerate(outcomes):
        outcome = Outcome(0, 0, 0, took, error=error, turned_away=error == "status 429")
        whole.observe(outcome, 0.01)
        parts[number >= cut].observe(outcome, 0.01)
    parts[0].add(parts[1])
    assert parts[0] == whole


@given(st.integers(0, 500), st.integers(1, 500))
def test_the_interval_holds_the_rate(failed, asked):
    failed = min(failed, asked)
    low, high = measuring.interval(failed, asked)
    assert 0 <= low <= failed / asked <= high <= 1


EXPECTED: list[tuple[Expectation, Any, bool | None]] = [
    (Expectation("exact", "benign"), {"label": "benign", "probabilities": {}}, True),
    (Expectation("exact", "benign"), {"label": "malignant"}, False),
    (Expectation("exact", "2"), 2.0, True),
    (Expectation("exact", "2"), 2.1, False),
    (Expectation("exact", "true"), True, False),
    (Expectation("tolerance", "2", 0.5), 2.5, True),
    (Expectation("tolerance", "2", 0.5), 2.51, False),
    (Expectation("tolerance", "2", 0.5), "two", False),
    (Expectation("range", least=1, most=3), 3, True),
    (Expectation("range", least=1), 0.9, False),
    (Expectation("range", most=3), -1e9, True),
    (Expectation("range", least=1, most=3), None, False),
    (Expectation("range", least=1, most=3), math.nan, False),
    (Expectation("person"), 12, None),
]


@pytest.mark.parametrize(("expectation", "answer", "met"), EXPECTED)
def test_an_expectation_is_met_or_not_or_a_persons_to_judge(expectation, answer, met):
    expectation.check()
    assert expectation.met(answer) is met
    assert expectation.words()


@pytest.mark.parametrize(
    ("expectation", "field"),
    [
        (Expectation("guess"), "expectation"),
        (Expectation("exact", " "), "wanted"),
        (Expectation("tolerance", "near"), "wanted"),
        (Expectation("tolerance", "2"), "tolerance"),
        (Expectation("tolerance", "2", math.inf), "tolerance"),
        (Expectation("range"), "least"),
        (Expectation("range", least=3, most=1), "most"),
    ],
)
def test_an_expectation_that_cannot_be_judged_is_refused_by_field(expectation, field):
    with pytest.raises(Refused) as error:
        expectation.check()
    assert error.value.field == field


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [(2, 2, "the same"), (3, 2, "+1 (+50.00%)"), (1, 0, "+1"), ({"label": "a"}, {"label": "b"}, "another class")],
)
def test_a_difference_is_said_from_the_candidates_side(one, other, words):
    assert difference(one, other) == words


class Sink:
    def look(self) -> None: ...

    def begins(self, name: str) -> None: ...

    def ended(self, case: Found) -> None: ...

    def line(self, text: str) -> None: ...


def heard(*lines: str) -> listening.Listener:
    listener = listening.Listener(Report(Sink()))
    for line in lines:
        listener.line(line)
    return listener


HOSTILE = [
    "", "not json", "[]", "1", "null", '{"outcome": "passed"', '{"outcome": "godlike", "case": "x"}',
    '{"ended": "yes"}', '{"case": "x"}', "\x00",
]  # fmt: skip


@pytest.mark.parametrize("line", HOSTILE)
def test_what_is_no_line_of_ours_is_ignored(line):
    listener = heard(line)
    assert listener.report.cases == []
    assert listener.complete is False


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_no_line_can_break_the_listener(value):
    said = {"case": value, "outcome": "passed", "seconds": value, "message": value, "evidence": value}
    listener = heard(json.dumps(said), json.dumps({"begins": value}), json.dumps(value))
    (case,) = listener.report.cases[:1]
    assert len(case.name) <= listening.NAME_MOST
    assert math.isfinite(case.seconds)


def test_a_program_cannot_say_more_cases_than_it_may():
    line = json.dumps({"case": "x", "outcome": "passed", "seconds": 0})
    assert len(heard(*[line] * (listening.MOST + 50)).report.cases) == listening.MOST


def test_a_verdict_needs_at_least_one_case_that_passed():
    assert Report(Sink()).verdict == ERRORED


def ended(returncode: int = 1, stopped: str | None = None, stderr: str = "") -> sandbox.Result:
    return sandbox.Result("bubblewrap", returncode, stopped, 1.0, "", stderr)


def test_how_a_program_ended_is_said_in_words():
    assert "longer than it may" in listening.how_it_ended(ended(stopped="seconds"))
    assert "exit code 3): Boom" in listening.how_it_ended(ended(returncode=3, stderr="x\nBoom"))
