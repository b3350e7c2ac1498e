"""How a batch job ends: with its result, with words, and, of a comparison, with evidence about a package."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import Any

import msgspec
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from releases.actions import evidence
from releases.agreement import Finding, Rule, finding
from releases.errors import Conflict
from releases.models import BatchJob
from releases.modes.batch import files
from releases.modes.batch.moving import move
from releases.wants import settings_digest
from serving import tally
from serving.batch.assembling import assemble
from serving.batch.plan import Plan
from serving.tally import Tally, added


def finish(job: BatchJob, size: int) -> None:
    """End a job whose files are whole; raises LostRace when somebody else has ended it."""
    columns: dict[str, Any] = {"packages": _packages(job), "output_size": size}
    with transaction.atomic():
        if job.is_comparison:
            found = added([tally.loads(text.encode()) for text in job.chunks.values_list("tally", flat=True)])
            columns["tally"] = json.loads(tally.dumps(found))
            columns["words"] = _record(job, found).words[:500]
        move(job, "finish", **columns)
        job.chunks.all().delete()
    files.tidy(job)


def fail(job: BatchJob, words: str) -> None:
    """End a job that cannot be finished; its wrong rows up to now can be looked at."""
    with suppress(Conflict):
        job.refresh_from_db(fields=["state"])
        done = list(job.chunks.exclude(done_at=None).values_list("number", flat=True))
        if done:
            assemble(files.folder_of(job), msgspec.convert(job.plan, Plan), done, output=False)
        move(job, "fail", words=words[:500], packages=_packages(job))
        job.chunks.all().delete()
        files.tidy(job)


def finding_of(job: BatchJob) -> Finding:
    """Return what a comparison has shown, by the rule that was fixed when it began."""
    return finding(Rule(**job.rule), tally_of(job))


def tally_of(job: BatchJob) -> Tally:
    return tally.loads(json.dumps(job.tally).encode()) if job.tally else Tally()


def _record(job: BatchJob, found: Tally) -> Finding:
    assert job.against is not None  # noqa: S101 - only a comparison comes here
    shown = finding(Rule(**job.rule), found)
    evidence.record(
        job.against.digest,
        "comparison",
        shown.verdict,
        reference=str(job),
        environment=job.environment,
        settings_digest=settings_digest(job.rule),
        words=shown.words,
    )
    return shown


def _packages(job: BatchJob) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for each in job.chunks.exclude(done_at=None).values_list("packages", flat=True):
        counts.update(each)
    return dict(sorted(counts.items()))


def prune() -> None:
    """Delete the files of jobs that ended long ago, and what a killed worker left; the record of a job stays."""
    now = timezone.now()
    old = now - timedelta(days=settings.BATCH_KEEP_DAYS)
    for job in BatchJob.objects.filter(ended_at__lt=old, dropped_at=None):
        files.drop(job)
        # The counts of a comparison stay; the rows that differed most are callers' data, as its files are.
        BatchJob.objects.filter(pk=job.pk).update(dropped_at=now, tally=job.tally and job.tally | {"largest": []})
    files.sweep(set(BatchJob.objects.filter(dropped_at=None).values_list("folder", flat=True)))
