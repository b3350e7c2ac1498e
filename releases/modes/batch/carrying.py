"""How workers carry batch jobs to their end: each takes what nobody has, and what somebody has lost.

A worker may be killed at any moment. What it held it loses after a few seconds of silence; whoever takes it up does the
same once more, and gets the same bytes, so that no row is lost and none comes twice.
"""

from __future__ import annotations

import logging
import time
import uuid
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any, cast

import msgspec
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from releases.alive import beating
from releases.errors import Conflict
from releases.models import BatchChunk, BatchJob
from releases.modes.batch import ending, files, routing
from releases.modes.batch.jobs import MOST_CALLS, call
from releases.modes.batch.moving import move
from releases.modes.batch.process import Died, Process
from serving.batch.places import OUTPUT
from serving.batch.plan import (
    Answer,
    Answered,
    Assemble,
    Compare,
    Form,
    Look,
    Outputs,
    Plan,
    Prepare,
    Prepared,
    Unusable,
)
from serving.batch.plan import Chunk as Rows

log = logging.getLogger(__name__)
S = BatchJob.State
BEAT_SECONDS, LOST = 2.0, timedelta(seconds=10)
ATTEMPTS = 5
# What a worker makes of one job before it looks whether another one waits.
TURN_SECONDS = 15.0
WHOLE_SECONDS = 4 * 3600.0


def work() -> None:
    """Take part until there is nothing to take."""
    process = Process()
    try:
        take_part(process)
    finally:
        process.close()


def take_part(process: Process) -> None:
    """Do the same with a process that may go on afterwards."""
    while (job := _next()) is not None:
        until = time.monotonic() + TURN_SECONDS
        while time.monotonic() < until and _step(job, process):
            pass


def _next() -> BatchJob | None:
    """Return the job that has something to do and the fewest at it, of these the oldest."""
    jobs = BatchJob.objects.filter(state__in=BatchJob.ACTIVE).order_by("id")
    waiting = [job for job in jobs if _has_something(job)]
    return min(waiting, key=lambda job: job.chunks.filter(_held(), done_at=None).count(), default=None)


def _has_something(job: BatchJob) -> bool:
    if job.state != S.RUNNING:
        return job.beat_at is None or job.beat_at < timezone.now() - LOST
    left = job.chunks.filter(done_at=None)
    return left.filter(_free()).exists() or not left.exists()


def _free() -> Q:
    return Q(beat_at=None) | Q(beat_at__lt=timezone.now() - LOST)


def _held() -> Q:
    return Q(beat_at__gte=timezone.now() - LOST)


def _step(job: BatchJob, process: Process) -> bool:
    """Do one thing for the job; False when there is none."""
    job = BatchJob.objects.select_related("model", "environment", "package", "against").get(pk=job.pk)
    try:
        if job.state == S.RUNNING:
            return _chunk(job, process)
        if job.state == S.QUEUED:
            move(job, "prepare", started_at=timezone.now())
        if job.state in (S.PREPARING, S.ASSEMBLING):
            return _whole(job, process, {S.PREPARING: _prepare, S.ASSEMBLING: _assemble}[S(job.state)])
    except Conflict:
        return job.state == S.QUEUED  # somebody else was first
    except Unusable as problem:
        ending.fail(job, str(problem))
    return False


def _whole(job: BatchJob, process: Process, act: Any) -> bool:
    """Hold the job as a whole while it is prepared or assembled."""
    holder = uuid.uuid4().hex
    rows = BatchJob.objects.filter(pk=job.pk, state=job.state)
    if not _claimed(rows, holder):
        return False
    if job.attempts >= ATTEMPTS:
        raise Unusable(f"Workers died {ATTEMPTS} times while the file was {job.state}. It is not tried again.")
    with _alive(rows.filter(holder=holder)):
        try:
            act(job, process)
        except Died as death:
            log.warning("%s: the process %s while %s", job, death, job.state)
            rows.filter(holder=holder).update(beat_at=None)
    return True


def _claimed(rows: QuerySet[Any], holder: str) -> bool:
    """Take one row that nobody holds: exactly one worker wins."""
    won = rows.filter(_free()).update(holder=holder, beat_at=timezone.now(), attempts=F("attempts") + 1)
    return bool(won == 1)


def _alive(rows: QuerySet[Any]) -> AbstractContextManager[None]:
    """Give signs of life meanwhile, as long as the row is ours."""
    return beating(lambda: rows.update(beat_at=timezone.now()), BEAT_SECONDS)


def _prepare(job: BatchJob, process: Process) -> None:
    """Freeze the route, cut the file, and let everybody begin."""
    files.bring(job)
    generation, targets, sticky = routing.frozen(job)
    folder, form = str(files.folder_of(job)), cast("Form", job.form)
    order = Prepare(folder, form, job.packed, settings.BATCH_CHUNK_ROWS, settings.BATCH_MAX_BYTES)
    found = process.order(order, Prepared, WHOLE_SECONDS)
    outputs = process.order(Look(folder, form, targets, found.columns), Outputs, settings.BATCH_CHUNK_SECONDS)
    plan = Plan(
        form=form,
        packed=job.packed,
        digest=found.digest,
        model=job.model.name,
        generation=generation,
        targets=targets,
        sticky=sticky,
        columns=found.columns,
        ending=found.ending,
        outputs=outputs,
    )
    with transaction.atomic():
        job.chunks.all().delete()
        rows = [_row(job, chunk) for chunk in found.chunks]
        BatchChunk.objects.bulk_create(rows, batch_size=500)
        plain = msgspec.to_builtins(plan)
        move(job, "run", plan=plain, digest=found.digest, rows=found.rows, ran_at=timezone.now())
    for _ in found.chunks[1:MOST_CALLS]:
        call()


def _row(job: BatchJob, chunk: Rows) -> BatchChunk:
    return BatchChunk(
        job=job, number=chunk.number, start=chunk.start, stop=chunk.stop, first=chunk.first, rows=chunk.rows
    )


def _chunk(job: BatchJob, process: Process) -> bool:
    """Answer the first chunk that nobody holds; with the last one done, go on to the end."""
    chunk = job.chunks.filter(_free(), done_at=None).first()
    if chunk is None:
        return not job.chunks.filter(done_at=None).exists() and bool(move(job, "assemble"))
    holder = uuid.uuid4().hex
    rows = BatchChunk.objects.filter(pk=chunk.pk, done_at=None)
    if not _claimed(rows, holder):
        return True
    if chunk.attempts >= ATTEMPTS:
        last = chunk.first + chunk.rows - 1
        raise Unusable(f"The process that answers rows {chunk.first:,} to {last:,} died {ATTEMPTS} times.")
    with _alive(rows.filter(holder=holder)):
        try:
            found = process.order(_order(job, chunk), Answered, settings.BATCH_CHUNK_SECONDS)
        except Died as death:
            log.warning("%s: the process %s at %s", job, death, chunk)
            rows.filter(holder=holder).update(beat_at=None)
            return True
    _done(job, rows.filter(holder=holder), found)
    return True


def _order(job: BatchJob, chunk: BatchChunk) -> Answer | Compare:
    plan = msgspec.convert(job.plan, Plan)
    rows = Rows(chunk.number, chunk.start, chunk.stop, chunk.first, chunk.rows)
    if job.is_comparison:
        return Compare(str(files.folder_of(job)), plan, rows, job.rule["atol"], job.rule["rtol"])
    return Answer(str(files.folder_of(job)), plan, rows)


def _done(job: BatchJob, rows: QuerySet[BatchChunk], found: Answered) -> None:
    """Note what the chunk gave, once; too many wrong rows end the job."""
    counts = {"answered": found.rows, "wrong": found.wrong, "packages": found.packages, "tally": found.tally}
    with transaction.atomic():
        if rows.update(done_at=timezone.now(), **counts) != 1:
            return
        BatchJob.objects.filter(pk=job.pk).update(answered=F("answered") + found.rows, wrong=F("wrong") + found.wrong)
    wrong = BatchJob.objects.values_list("wrong", flat=True).get(pk=job.pk)
    if wrong > job.most_wrong:
        raise Unusable(f"{wrong:,} rows are wrong, and {job.most_wrong:,} are allowed. The file of errors names them.")


def _assemble(job: BatchJob, process: Process) -> None:
    numbers = list(job.chunks.values_list("number", flat=True))
    plan = msgspec.convert(job.plan, Plan)
    process.order(Assemble(str(files.folder_of(job)), plan, numbers, not job.is_comparison), type(None), WHOLE_SECONDS)
    output = files.folder_of(job) / OUTPUT
    ending.finish(job, output.stat().st_size if output.is_file() else 0)
