"""Load and stress on outcomes that a test makes up: what is judged, what is invalid, what is tried again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from releases.models import Environment, Package
from releases.tests.scenes import put_live
from testing.loadgen import Outcome, Tally
from testing.suites import load, quiet, stress
from testing.suites.base import Report, Stop, Subject
from testing.suites.measuring import Arm, Stream
from testing.tests.test_pure import Sink

Say = Callable[[Stream], Outcome]
Environments = dict[str, Environment]


def answered(
    seconds: float = 0.01, lag: float = 0.0, error: str | None = None, package: int = 1, away: bool = False
) -> Outcome:
    status = int(error.removeprefix("status ")) if error and error.startswith("status") else None
    return Outcome(0.0, lag, lag, lag + seconds, status, error, None if error else str(package), turned_away=away)


@pytest.fixture
def subject(live: Package, environments: Environments, monkeypatch: pytest.MonkeyPatch) -> Subject:
    calls = lambda package, environment, source, pin=None: iter([pin])  # noqa: E731
    monkeypatch.setattr(load.rows, "calls", calls)
    return Subject(live, environments["staging"], load.Settings(rate=40.0, seconds=1.0), "run 1")


@pytest.fixture
def sends(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str], Outcome]], list[str]]:
    """Let each stream get a hundred outcomes; returns the names of the arms as they were measured."""

    def make(outcome: Callable[[str], Outcome]) -> list[str]:
        seen: list[str] = []

        def send(report: Report, *streams: Stream, timeout: float = 1.0) -> list[Tally]:
            for stream in streams:
                seen.append(stream.arm.name)
                for _ in range(100):
                    stream.arm.tally.observe(outcome(stream.arm.name), 0.01)
                stream.arm.seconds += 1.0
            return [stream.arm.tally for stream in streams]

        monkeypatch.setattr(load.measuring, "send", send)
        return seen

    return make


def cases(report: Report) -> dict[str, str]:
    return {case.name: case.outcome for case in report.cases}


def test_a_good_measurement_passes_and_tells_its_figures(subject: Subject, sends: Any, redis: object) -> None:
    sends(lambda name: answered())
    report = Report(Sink())
    load.Load().run(subject, report)
    assert report.verdict == "passed"
    assert cases(report)["it is not slower than the live package"] == "not offered"
    figures = {figure.name: figure for figure in report.figures}
    assert figures["p99"].value == pytest.approx(10, rel=0.02)
    assert figures["p99"].holds
    assert report.charts["arms"][0]["name"] == "package 1"


@pytest.mark.parametrize(
    ("outcome", "broken"),
    [
        (answered(2.0), {"p50 is within its limit", "p99 is within its limit"}),
        (answered(error="status 500"), {"errors are within their limit", "every request was answered by this package"}),
        (answered(package=3), {"every request was answered by this package"}),
    ],
)  # fmt: skip
def test_a_broken_limit_fails_its_case(
    outcome: Outcome, broken: set[str], subject: Subject, sends: Any, redis: object
) -> None:
    sends(lambda name: outcome)
    report = Report(Sink())
    load.Load().run(subject, report)
    assert {name for name, result in cases(report).items() if result == "failed"} == broken


def test_a_generator_that_lags_is_tried_again_in_quiet_and_then_invalid(
    subject: Subject, sends: Any, redis: object
) -> None:
    asked: list[bool] = []

    def outcome(name: str) -> Outcome:
        asked.append(quiet.asked("staging"))
        return answered(lag=0.5)

    seen = sends(outcome)
    with pytest.raises(Stop, match=r"4 tries count for nothing\. The generator lagged") as stop:
        load.Load().run(subject, Report(Sink()))
    assert stop.value.state == "invalid"
    assert "Busy meanwhile" in stop.value.reason
    assert seen.count("package 1") == load.TRIES
    assert asked[0] is False
    assert asked[-1] is True
    assert quiet.asked("staging") is False


def test_one_good_try_is_enough(subject: Subject, sends: Any, redis: object) -> None:
    turns = iter(range(1000))
    sends(lambda name: answered(lag=0.5 if next(turns) < 200 else 0.0))
    report = Report(Sink())
    load.Load().run(subject, report)
    assert report.verdict == "passed"


def test_the_live_package_is_measured_in_turn(
    subject: Subject, sends: Any, redis: object, packages: list[Package], environments: Environments
) -> None:
    put_live(packages[1], environments["production"])
    put_live(packages[1], environments["staging"])
    put_live(packages[0], environments["staging"])  # package 2 is the way back here
    seen = sends(lambda name: answered(0.02 if name == "package 1" else 0.01))
    report = Report(Sink())
    load.Load().run(subject, report)
    order = [name for name in seen if name != "warm-up"]
    ours, live = "package 1", "package 2, live in production"
    assert order == [ours, live, live, ours, ours, live, live, ours]
    case = next(case for case in report.cases if case.name == "it is not slower than the live package")
    assert (case.outcome, "2.0" in case.evidence) == ("passed", True)


def arm(*outcomes: Outcome, seconds: float = 1.0) -> Arm:
    found = Arm("x", seconds=seconds)
    for outcome in outcomes:
        found.tally.observe(outcome, 0.01)
    return found


@pytest.mark.parametrize(
    ("measured", "gave_way"),
    [
        (arm(*[answered()] * 100), ""),
        (arm(*[answered(1.0)] * 100), "p99"),
        (arm(*[answered()] * 90, *[answered(error="status 429", away=True)] * 10), "the gateway's own limit"),
        (arm(*[answered()] * 90, *[answered(error="status 500")] * 10), "the error rate"),
        (arm(), "p99"),
    ],
)
def test_what_gave_way_is_named(measured: Arm, gave_way: str) -> None:
    assert stress.broken(measured, stress.Settings()) == gave_way


@pytest.mark.parametrize(
    ("seconds", "took", "behind"), [(1.0, 0.01, ""), (1.2, 0.01, "the throughput"), (1.4, 0.4, ""), (1.04, 0.01, "")]
)
def test_who_answers_more_slowly_than_asked_falls_behind_but_slow_answers_alone_do_not(
    seconds: float, took: float, behind: str
) -> None:
    assert stress.behind(arm(*[answered(took)] * 100, seconds=seconds), 100.0) == behind


@pytest.mark.parametrize(
    ("outcomes", "holds"),
    [
        ([answered()] * 50 + [answered(error="status 429", away=True)] * 50, True),
        ([answered()] * 50 + [answered(error="status 429")] * 50, False),
        ([answered()] * 50 + [answered(error="timeout")], False),
        ([answered()] * 50 + [answered(3.0, error="status 503", away=True)] * 50, False),
        ([answered(8.0)] * 50, False),
        ([answered(error="status 503", away=True)] * 50, False),
    ],
)
def test_beyond_the_capacity_calls_must_be_refused_fast(outcomes: list[Outcome], holds: bool, subject: Subject) -> None:
    report = Report(Sink())
    there = Subject(subject.package, subject.environment, stress.Settings(), "run 1")
    stress._refused_fast(there, report, arm(*outcomes).tally)
    assert (report.verdict == "passed") is holds, report.cases


@pytest.mark.parametrize(
    ("outcome", "broke"),
    [
        (answered(lag=0.02), ""),  # it held its limits, lag and all
        (answered(lag=2.0), stress.GENERATOR),
        (answered(2.0, lag=0.02), "p99"),
        (answered(error="status 500", lag=0.02), "the error rate"),
        (answered(2.0), "p99"),
    ],
)
def test_a_lag_of_the_generator_is_not_held_against_the_server(
    outcome: Outcome, broke: str, sends: Any, subject: Subject
) -> None:
    seen = sends(lambda name: outcome)
    step = stress._hold(stress.Settings(), Report(Sink()), iter([]), 90.0)
    assert step.broke == broke
    assert len(seen) == (2 if broke and outcome.woken else 1)
