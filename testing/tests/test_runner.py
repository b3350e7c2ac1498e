"""One run from the queue to its verdict: whatever happens to its worker, it ends once, and evidence is counted once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from releases.models import Environment, Evidence, Package
from testing import actions, runner
from testing.models import Case, Run
from testing.suites.base import Failed, Figure, Found, Report, Stop, Subject
from testing.tests.conftest import Act, Told

Suite = Callable[[Act], None]


def shown() -> list[tuple[str, str]]:
    return list(Evidence.objects.filter(kind="smoke").order_by("id").values_list("verdict", "reference"))


def passes(_: Subject, report: Report) -> None:
    with report.case("one") as case:
        case.evidence = "seen"
    report.figures.append(Figure("p95", 3.0, "ms", 5.0))
    report.say("a line")


def fails(_: Subject, report: Report) -> None:
    with report.case("one"):
        pass
    with report.case("two"):
        raise Failed("2 is not 3")


def breaks(_: Subject, report: Report) -> None:
    with report.case("one"):
        raise KeyError("ours")


def empty(_: Subject, report: Report) -> None:
    report.not_offered("one", "There is none.")


def crashes(_: Subject, report: Report) -> None:
    raise RuntimeError("the suite itself")


def disturbed(_: Subject, report: Report) -> None:
    raise Stop("invalid", "The generator lagged.")


ENDS: dict[str, tuple[Act, str, str, str]] = {
    "all cases pass": (passes, "passed", "pass", "1 case passed."),
    "a case fails": (fails, "failed", "fail", "two: 2 is not 3"),
    "a case breaks on our side": (breaks, "errored", "hold", "one: KeyError: 'ours'"),
    "nothing was offered": (empty, "errored", "hold", "There was nothing to test."),
    "the suite breaks": (
        crashes,
        "errored",
        "hold",
        "Something went wrong on our side: RuntimeError: the suite itself",
    ),
    "a measurement counts for nothing": (disturbed, "invalid", "hold", "The generator lagged."),
}


@pytest.mark.parametrize("name", ENDS)
def test_a_run_ends_with_its_verdict_its_sentence_and_one_piece_of_evidence(
    name: str, told: Suite, queued: Run
) -> None:
    act, state, verdict, words = ENDS[name]
    told(act)
    runner.run(queued.pk)
    queued.refresh_from_db()
    assert (queued.state, queued.reason) == (state, words)
    assert queued.ended_at
    assert shown() == [(verdict, f"run {queued.pk}")]


def test_what_a_suite_says_is_kept(told: Suite, queued: Run) -> None:
    told(passes)
    runner.run(queued.pk)
    queued.refresh_from_db()
    assert [(c.name, c.outcome, c.evidence) for c in queued.cases.all()] == [("one", "passed", "seen")]
    assert queued.figures == [{"name": "p95", "value": 3.0, "unit": "ms", "limit": 5.0, "holds": True}]
    assert queued.log == "a line\n"
    assert queued.at_work == ""


def test_evidence_is_bound_to_digest_environment_and_settings(told: Suite, queued: Run) -> None:
    told(passes)
    runner.run(queued.pk)
    row = Evidence.objects.get(kind="smoke")
    assert (row.digest, row.environment, row.settings_digest) == (
        queued.package.digest,
        queued.environment,
        queued.settings_digest,
    )
    assert row.get_absolute_url() == queued.get_absolute_url()


def test_a_run_is_carried_once_however_often_it_is_sent(told: Suite, queued: Run) -> None:
    calls: list[int] = []
    told(lambda _, report: (calls.append(1), passes(_, report))[0])
    for _ in range(3):
        runner.run(queued.pk)
    assert len(calls) == 1
    assert len(shown()) == 1


def lose(run: Run, seconds: float) -> None:
    """Its worker was silent for so long."""
    Run.objects.filter(pk=run.pk).update(beat_at=timezone.now() - timedelta(seconds=seconds))


def test_a_living_worker_keeps_its_run(told: Suite, queued: Run) -> None:
    assert runner.claim(queued.pk)
    lose(queued, 5)
    assert runner.claim(queued.pk) is None


def test_a_lost_run_is_taken_up_again_once_and_then_ends(told: Suite, queued: Run) -> None:
    first = runner.claim(queued.pk)
    lose(queued, 60)
    second = runner.claim(queued.pk)
    assert (first.attempts, second.attempts) == (1, 2)  # type: ignore[union-attr]
    lose(queued, 60)
    told(passes)
    runner.run(queued.pk)
    queued.refresh_from_db()
    assert (queued.state, queued.reason) == ("errored", runner.LOST_WORDS)
    assert shown() == [("hold", f"run {queued.pk}")]


def test_what_a_worker_that_was_thought_dead_says_counts_no_more(told: Suite, queued: Run) -> None:
    zombie = runner.claim(queued.pk)
    assert zombie
    lose(queued, 60)
    told(fails)
    runner.run(queued.pk)  # another worker takes it up and ends it
    report = Report(runner.Keeper(zombie, runner.Life(zombie.pk, zombie.attempts, 1e12)))
    report.cases.append(Found("one"))
    assert runner.end(zombie, "passed", "1 case passed.", report) is False
    queued.refresh_from_db()
    assert queued.state == "failed"
    assert shown() == [("fail", f"run {queued.pk}")]


def test_the_cases_of_a_lost_attempt_are_not_mixed_with_those_of_the_next(told: Suite, queued: Run) -> None:
    first = runner.claim(queued.pk)
    assert first
    runner.Keeper(first, runner.Life(first.pk, 1, 1e12)).ended(Found("lost"))
    lose(queued, 60)
    told(passes)
    runner.run(queued.pk)
    from testing import queries

    queued.refresh_from_db()
    assert [case.name for case in queries.cases(queued)] == ["one"]
    assert Case.objects.count() == 2


def test_a_run_that_takes_too_long_times_out_and_says_nothing_about_the_package(
    told: Suite, queued: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Told, "seconds", -1.0)
    told(passes)
    runner.run(queued.pk)
    queued.refresh_from_db()
    assert queued.state == "timed out"
    assert shown() == [("hold", f"run {queued.pk}")]


@pytest.mark.django_db(transaction=True)
def test_a_running_one_is_cancelled_at_its_next_look(told: Suite, queued: Run, manager: Any) -> None:
    begun = threading.Event()

    def waits(_: Subject, report: Report) -> None:
        begun.set()
        for _number in range(500):
            report.look()
            threading.Event().wait(0.01)

    told(waits)
    worker = threading.Thread(target=lambda: (runner.run(queued.pk), connection.close()))
    worker.start()
    assert begun.wait(10)
    actions.cancel(actor=manager, run=Run.objects.get(pk=queued.pk))
    worker.join(10)
    queued.refresh_from_db()
    assert (queued.state, queued.reason) == ("cancelled", f"Cancelled by {manager.get_username()}.")
    assert shown() == [("hold", f"run {queued.pk}")]


def test_a_failed_case_goes_before_an_error_of_ours(told: Suite, queued: Run) -> None:
    told(lambda _, report: (breaks(_, report), fails(_, report))[0])
    runner.run(queued.pk)
    queued.refresh_from_db()
    assert queued.state == "failed"


def test_a_package_that_is_tested_stays_tested_when_the_suite_says_too_much(
    told: Suite, queued: Run, environments: dict[str, Environment]
) -> None:
    def talks(_: Subject, report: Report) -> None:
        for number in range(runner.CASES_MOST + 5):
            report.add(Found(f"case {number}", message="x" * 5000))
        for _number in range(300):
            report.say("y" * 3000)

    told(talks)
    runner.run(queued.pk)
    queued.refresh_from_db()
    assert queued.cases.count() == runner.CASES_MOST
    assert len(queued.log) < runner.LOG_MOST + 3000
    assert Package.objects.get(pk=queued.package_id).digest == queued.digest


def test_what_foreign_code_says_can_always_be_kept(told: Suite, queued: Run) -> None:
    def talks(_: Subject, report: Report) -> None:
        report.say("a\0b")
        report.add(Found("c\0d", "failed", message="e\0f", evidence="g\0h"))

    told(talks)
    runner.run(queued.pk)
    queued.refresh_from_db()
    assert (queued.state, queued.log, queued.reason) == ("failed", "ab\n", "cd: ef")


@pytest.mark.parametrize("breaks_too", [False, True])
def test_what_a_lost_worker_left_is_put_right_before_the_run_goes_on_and_when_it_is_given_up(
    breaks_too: bool, told: Suite, queued: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    tidied: list[str] = []

    def tidy(self: Told, subject: Subject) -> None:
        tidied.append(subject.run)
        if breaks_too:
            raise RuntimeError("it cannot be")

    monkeypatch.setattr(Told, "tidy", tidy)
    told(passes)
    runner.claim(queued.pk)
    lose(queued, 60)
    runner.claim(queued.pk)
    assert tidied == []
    lose(queued, 60)
    runner.run(queued.pk)
    queued.refresh_from_db()
    assert (queued.state, tidied) == ("errored", [f"run {queued.pk}"])


def test_the_key_of_a_lost_integration_run_opens_nothing(queued: Run) -> None:
    from releases.actions import keys
    from testing.suites.integration import Integration, _key_name

    subject = Subject(queued.package, queued.environment, None, str(queued))
    lost, _ = keys.issue(actor=None, environment=queued.environment, name=_key_name(subject), models=["*"])
    other, _ = keys.issue(actor=None, environment=queued.environment, name="a client", models=["*"])
    Integration().tidy(subject)
    lost.refresh_from_db()
    other.refresh_from_db()
    assert (bool(lost.revoked_at), bool(other.revoked_at)) == (True, False)
