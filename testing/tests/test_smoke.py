"""Smoke against a gateway that answers as told: exactly this package, with the known answer and in time, passes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from releases.models import Environment, Package
from testing.suites.base import Report, Subject
from testing.suites.smoke import Settings, Smoke
from testing.tests.conftest import Answers
from testing.tests.test_pure import Sink

Wrong = Callable[[Answers], None]


@pytest.fixture
def subject(live: Package, environments: dict[str, Environment]) -> Subject:
    Package.objects.filter(pk=live.pk).update(answers=[500])
    live.refresh_from_db()
    return Subject(live, environments["staging"], Settings(requests=3), "run 1")


def failed(subject: Subject) -> set[str]:
    report = Report(Sink())
    Smoke().run(subject, report)
    return {case.name for case in report.cases if case.outcome == "failed"}


def test_the_right_package_with_the_known_answer_passes(subject: Subject, answers: Answers) -> None:
    report = Report(Sink())
    Smoke().run(subject, report)
    assert report.verdict == "passed", report.cases
    assert [figure.name for figure in report.figures] == ["p95"]


def another_package(answers: Answers) -> None:
    answers.routes["staging"] = 2


def another_answer(answers: Answers) -> None:
    answers.answer = lambda number, row: 501


def nothing(answers: Answers) -> None:
    answers.down = "The model is off."


GOLDEN, SERIES, METADATA = (
    "its example gets the known answer",
    "3 requests without an error",
    "its metadata names this package",
)
HEALTH = "the gateway is live and ready"


@pytest.mark.parametrize(
    ("wrong", "cases"),
    [
        (another_package, {METADATA, GOLDEN, SERIES}),
        (another_answer, {GOLDEN}),
        (nothing, {HEALTH, METADATA, GOLDEN, SERIES}),
    ],
)
def test_anything_else_fails(wrong: Wrong, cases: set[str], subject: Subject, answers: Answers) -> None:
    wrong(answers)
    assert failed(subject) == cases


def test_answers_that_come_late_fail(live: Package, environments: dict[str, Environment], answers: Answers) -> None:
    slow = Subject(live, environments["staging"], Settings(requests=3, limit_ms=0.1), "run 1")
    assert failed(slow) == {"they are answered in time"}
