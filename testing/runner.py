"""Carry a run to its end: claim it, give signs of life, keep what the suite says, and count its verdict once."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from releases.actions import evidence
from releases.alive import beating
from releases.errors import Refused
from testing.models import Case, Run
from testing.suites import SUITES
from testing.suites.base import FAILED, Found, Report, Stop, Subject
from testing.suites.settings import read

log = logging.getLogger(__name__)

ATTEMPTS = 2
BEAT_SECONDS = 2.0
LOST = timedelta(seconds=20)
LOG_MOST = 200_000
CASES_MOST = 2000
LOST_WORDS = "The worker died on it twice. Run it again when the machine is well."
# A verdict says something about the package; everything else leaves the question open.
VERDICTS = {Run.State.PASSED: "pass", Run.State.FAILED: "fail"}


def run(run_id: int) -> None:
    """Claim the run and carry it to its end; somebody else's is left alone."""
    found = claim(run_id)
    if found is None:
        return
    if found.attempts > 1:
        _tidy(found)
    if found.attempts > ATTEMPTS:
        end(found, Run.State.ERRORED, LOST_WORDS)
        return
    life = Life(found.pk, found.attempts, time.monotonic() + SUITES[found.kind].seconds)
    report = Report(Keeper(found, life))
    with beating(life.beat, BEAT_SECONDS):
        state, reason = _carry(found, report)
    end(found, state, reason, report)


def claim(run_id: int) -> Run | None:
    """Take the run if it is queued, or if its worker has been silent: exactly one worker wins."""
    now = timezone.now()
    free = models.Q(state=Run.State.QUEUED) | models.Q(state=Run.State.RUNNING, beat_at__lt=now - LOST)
    won = Run.objects.filter(free, pk=run_id).update(
        state=Run.State.RUNNING, beat_at=now, started_at=now, log="", at_work="", attempts=models.F("attempts") + 1
    )
    if not won:
        return None
    return Run.objects.select_related("package__model", "environment").get(pk=run_id)


def end(run: Run, state: str, reason: str, report: Report | None = None) -> bool:
    """End the run if it is still this attempt's, and record its evidence with it; says whether it was."""
    columns: dict[str, Any] = {"state": state, "reason": plain(reason, 500), "ended_at": timezone.now(), "at_work": ""}
    if report is not None:
        columns["figures"] = [asdict(figure) | {"holds": figure.holds} for figure in report.figures]
        columns |= {"charts": report.charts, "sandbox": report.sandbox}
    with transaction.atomic():
        mine = Run.objects.filter(pk=run.pk, state__in=Run.OPEN, attempts=run.attempts)
        if mine.update(**columns) != 1:
            log.warning("%s was ended by another worker", run)
            return False
        evidence.record(
            run.digest,
            run.kind,
            VERDICTS.get(Run.State(state), "hold"),
            reference=str(run),
            environment=run.environment,
            settings_digest=run.settings_digest,
            words=plain(reason, 500),
        )
    return True


def _tidy(run: Run) -> None:
    """Put right what the lost attempt left; what cannot be does not keep the run from its end."""
    suite = SUITES[run.kind]
    try:
        suite.tidy(_subject(run))
    except Exception:
        log.exception("What the lost worker of %s left could not be put right", run)


def _subject(run: Run) -> Subject:
    """What is tested; raises Refused where a setting cannot be used any more."""
    return Subject(run.package, run.environment, read(SUITES[run.kind].Settings, run.values), str(run))


def _carry(run: Run, report: Report) -> tuple[str, str]:
    """Run the suite; the state and the sentence with which it ends."""
    suite = SUITES[run.kind]
    try:
        suite.run(_subject(run), report)
        report.look()
    except Stop as stop:
        return stop.state, stop.reason
    except Refused as error:
        return Run.State.ERRORED, f"The setting {error.field} cannot be used. {error}"
    except Exception as error:
        log.exception("%s failed", run)
        return Run.State.ERRORED, f"Something went wrong on our side: {type(error).__name__}: {error}"
    return report.verdict, sentence(report)


def plain(text: str, most: int) -> str:
    """Cut a text that foreign code may have written, without the NUL characters that PostgreSQL cannot keep."""
    return text.replace("\0", "")[:most]


def sentence(report: Report) -> str:
    """Say how it went: the first case that did not pass, or how many passed."""
    count = len(report.cases)
    for case in sorted(report.cases, key=lambda case: case.outcome != FAILED):
        if case.outcome in ("failed", "errored"):
            return f"{case.name}: {case.message}"
    passed = sum(case.outcome == "passed" for case in report.cases)
    absent = f", {count - passed} not offered" if count > passed else ""
    return f"{passed} case{'' if passed == 1 else 's'} passed{absent}." if passed else "There was nothing to test."


@dataclass
class Life:
    """Signs of life of one attempt, and why it must stop: it was cancelled, its time is up, or it is another's."""

    pk: int
    attempt: int
    deadline: float
    stop: Stop | None = None

    def look(self) -> None:
        """Raise Stop when this attempt is not to go on."""
        if self.stop is None and time.monotonic() > self.deadline:
            self.stop = Stop(Run.State.TIMED_OUT, "It took longer than it may.")
        if self.stop is not None:
            raise self.stop

    def beat(self) -> None:
        """Say that this attempt lives, and see whether it should."""
        mine = Run.objects.filter(pk=self.pk, state=Run.State.RUNNING, attempts=self.attempt)
        if mine.update(beat_at=timezone.now()) != 1:
            self.stop = Stop(Run.State.ERRORED, "Another worker has taken it over.")
        elif by := mine.exclude(cancelled_at=None).values_list("cancelled_by__username", flat=True).first():
            self.stop = Stop(Run.State.CANCELLED, f"Cancelled by {by}.")


@dataclass
class Keeper:
    """Writes what the suite says into the run, while it is this attempt's."""

    run: Run
    life: Life
    written: int = 0
    log: str = ""

    @property
    def mine(self) -> models.QuerySet[Run]:
        return Run.objects.filter(pk=self.run.pk, state=Run.State.RUNNING, attempts=self.run.attempts)

    def look(self) -> None:
        self.life.look()

    def begins(self, name: str) -> None:
        self.mine.update(at_work=plain(name, 200))

    def ended(self, case: Found) -> None:
        self.written += 1
        if self.written <= CASES_MOST:
            Case.objects.create(
                run=self.run,
                attempt=self.run.attempts,
                number=self.written,
                name=plain(case.name, 200),
                outcome=case.outcome,
                seconds=case.seconds,
                message=plain(case.message, 2000),
                evidence=plain(case.evidence, 2000),
            )

    def line(self, text: str) -> None:
        if len(self.log) < LOG_MOST:
            self.log += f"{plain(text.rstrip(), 2000)}\n"
            self.mine.update(log=self.log)
