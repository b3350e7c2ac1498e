"""What a person, REST or a schedule does with a batch job: start it, cancel it, run it again."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any

import redis
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from releases import agreement, broker, gates
from releases.actions import audit
from releases.errors import Conflict, Refused
from releases.models import BatchJob, BatchSchedule, Environment, MLModel, Package
from releases.modes.batch import files, routing
from releases.modes.batch.moving import move
from releases.rights import BATCH, require
from releases.wake import enqueue

MOST_WRONG, MOST_ALLOWED = 1000, 100_000_000
WORK, QUEUE = "releases.modes.batch.tasks.work", "batch"
# A call that no worker has taken by then is worth nothing: those that work take what is there anyway.
CALL_SECONDS, MOST_CALLS = 10.0, 64


def start(
    *,
    actor: User | None,
    model: MLModel,
    environment: Environment,
    filename: str = "",
    chunks: Iterable[bytes] | None = None,
    stored: str = "",
    package: Package | None = None,
    against: Package | None = None,
    most_wrong: int = MOST_WRONG,
    schedule: BatchSchedule | None = None,
    due_at: datetime | None = None,
) -> BatchJob:
    """Answer every row of an upload (`filename` and `chunks`), or of a file of the input folder (`stored`).

    The route decides which package answers a row, unless `package` is pinned: one that is loaded there. With `against`
    nothing is answered: that package is compared with `package`, or else with the live one, on every row.

    Raises Forbidden, Refused by the field, Conflict (nothing is live there, no such package is loaded there).
    """
    require(actor, BATCH)
    if not 0 <= most_wrong <= MOST_ALLOWED:
        raise Refused(f"The limit of wrong rows lies between 0 and {MOST_ALLOWED:,}.", "most_wrong")
    if bool(stored) == (chunks is not None):
        raise Refused("Send a file, or name one of the input folder.", "file")
    form, packed = _form(stored, filename)
    if stored:
        files.stored(stored)
    live = routing.must_answer(model, environment, package)
    rule = _must_differ(model, package or live, against) if against else {}
    columns = _kept(stored, chunks) | {"form": form, "packed": packed, "filename": (filename or stored)[-200:]}
    try:
        with transaction.atomic():
            job = BatchJob.objects.create(
                model=model,
                environment=environment,
                package=package or (live if against else None),
                against=against,
                rule=rule,
                most_wrong=most_wrong,
                schedule=schedule,
                due_at=due_at,
                created_by=actor,
                **columns,
            )
            _record("batch.start", job, actor)
    except BaseException:
        files.drop(BatchJob(folder=columns["folder"]))
        raise
    transaction.on_commit(call)
    return job


def cancel(*, actor: User | None, job: BatchJob) -> None:
    """Stop a job; what it has made is thrown away. Raises Forbidden, Conflict."""
    require(actor, BATCH)
    with transaction.atomic():
        move(job, "cancel", words=f"Cancelled by {actor.get_username() if actor else 'Slipway'}.")
        _record("batch.cancel", job, actor)
    files.tidy(job)


def again(*, actor: User | None, job: BatchJob) -> BatchJob:
    """Start a job on the same file, with the packages of now. Raises Forbidden, Conflict (the file is gone)."""
    require(actor, BATCH)
    source = files.input_of(job)
    if source is None:
        raise Conflict("The file of this batch is deleted. Send it again.")
    with source.open("rb") as handle:
        return start(
            actor=actor,
            model=job.model,
            environment=job.environment,
            filename=job.filename,
            chunks=iter(lambda: handle.read(1 << 20), b""),
            package=job.package if job.against_id is None else None,
            against=job.against,
            most_wrong=job.most_wrong,
        )


def call() -> None:
    """Ask one more worker to take part, unless enough calls wait already."""
    with suppress(redis.RedisError):
        if broker.client().llen(QUEUE) < MOST_CALLS:
            enqueue(WORK, queue=QUEUE, expires=CALL_SECONDS)


def _form(stored: str, filename: str) -> tuple[str, bool]:
    try:
        return files.form_of(stored or filename)
    except Refused as error:
        raise Refused(error.message, "stored" if stored else "file") from error


def _kept(stored: str, chunks: Iterable[bytes] | None) -> dict[str, Any]:
    if chunks is None:
        return {"folder": uuid.uuid4().hex, "stored": stored, "size": files.stored(stored).stat().st_size}
    folder, size = files.keep(chunks)
    return {"folder": folder, "size": size}


def _must_differ(model: MLModel, live: Package | None, against: Package) -> dict[str, Any]:
    if live is None or live.pk == against.pk:
        raise Refused("Compare two packages that are not the same.", "against")
    if not gates.intake(against).met:
        raise Conflict(f"No intake has passed the bytes of package {against.number}. Register them again.")
    return agreement.rule_of(model.agreement).to_json()


def _record(action: str, job: BatchJob, actor: User | None) -> None:
    details = {"file": job.filename, "size": job.size, "stored": bool(job.stored)}
    details |= {name: each.number for name in ("package", "against") if (each := getattr(job, name))}
    at = timezone.now()
    audit.record(
        action, job, actor=actor, at=at, model=job.model.name, environment=job.environment.name, details=details
    )
