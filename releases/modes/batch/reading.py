"""What pages and REST say about batch jobs: how far they are, and what became of the packages that answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from releases.agreement import Rule
from releases.models import BatchJob, Event
from releases.models.releases import ASIDE
from releases.modes.batch import ending
from releases.queries import comparing
from releases.queries.comparing import Comparison

S = BatchJob.State
# Work that has just begun says nothing about what is left.
LEAST_SECONDS = 2.0
# Who misses a forecast at six o'clock looks at nine.
LOUD, MOST_MISSED = timedelta(hours=24), 3


@dataclass(frozen=True)
class Progress:
    """`share` of the rows, 0 to 1; `rate` in rows a second and `left` in seconds, None where nobody can know."""

    done: int
    share: float
    rate: float | None
    left: float | None


def every(model: str = "", environment: str = "", state: str = "") -> QuerySet[BatchJob]:
    """Return the jobs, newest first, without what grows with them."""
    wanted = {"model__name": model, "environment__name": environment, "state": state}
    rows = BatchJob.objects.select_related("model", "environment", "package", "against", "schedule", "created_by")
    return rows.defer("tally", "plan").filter(**{name: value for name, value in wanted.items() if value})


def missed(now: datetime) -> list[BatchJob]:
    """Return the scheduled jobs of the last day that could not begin, the newest few first."""
    rows = BatchJob.objects.filter(state=S.FAILED, started_at=None, created_at__gte=now - LOUD).exclude(schedule=None)
    return list(rows.select_related("schedule", "model").defer("tally", "plan").order_by("-id")[:MOST_MISSED])


def progress(job: BatchJob, now: datetime | None = None) -> Progress:
    """Return how far a job is, and how fast it went since its first row could be answered."""
    done = job.answered + job.wrong
    if job.ran_at is None or not job.rows:
        return Progress(done, 0.0, None, None)
    seconds = ((job.ended_at or now or timezone.now()) - job.ran_at).total_seconds()
    rate = done / seconds if done and seconds > 0 and (job.ended_at or seconds >= LEAST_SECONDS) else None
    left = (job.rows - done) / rate if rate and job.state == S.RUNNING else None
    return Progress(done, min(1.0, done / job.rows), rate, left)


def comparison(job: BatchJob) -> Comparison | None:
    """Return what a comparison has found; None for any other job, and before it has ended."""
    if not job.is_comparison or not job.tally:
        return None
    tally, rule = ending.tally_of(job), Rule(**job.rule)
    return comparing.made(rule, tally, ending.finding_of(job))


def taken_back(job: BatchJob) -> list[int]:
    """Return the packages of which rows were answered and that were taken back there since the job began."""
    if not job.packages or job.started_at is None or job.is_comparison:
        return []
    events = Event.objects.filter(
        Q(action="fail") | Q(action="create", release__is_rollback=True),
        release__model=job.model_id,
        release__environment=job.environment_id,
        at__gte=job.started_at,
    ).exclude(release__strategy__in=ASIDE)
    gone: set[int] = set()
    for event in events.select_related("release__package", "release__replaces"):
        release = event.release
        left = release.replaces if release.is_rollback and event.action == "create" else release.package
        gone |= {left.number} if left else set()
    return sorted(number for number in gone if str(number) in job.packages)
