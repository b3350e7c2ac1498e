"""Batch jobs that start by themselves: when, on which file, and what happens when it is not there."""

from __future__ import annotations

import logging
import re
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from croniter import croniter
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from releases import notices
from releases.actions import audit
from releases.actions.freezes import check_cron, check_zone
from releases.errors import Conflict, Refused
from releases.models import BatchJob, BatchSchedule, Environment, MLModel
from releases.modes.batch import files, jobs
from releases.rights import BATCH, require

log = logging.getLogger(__name__)
YEARS, MOST_LATE, MOST_COMING = 8, 31 * 24 * 60, 5
PART = re.compile(r"\{([^{}]*)\}")
# What a pattern may hold, from the time at which the job is due, in the schedule's zone.
PARTS = {
    "yyyy": "%Y",
    "mm": "%m",
    "dd": "%d",
    "hh": "%H",
}
BEFORE = {"last_month": (timedelta(days=1), "%Y-%m"), "yesterday": (timedelta(days=1), "%Y-%m-%d")}


def create(
    *,
    actor: User | None,
    name: str,
    model: MLModel,
    environment: Environment,
    cron: str,
    pattern: str,
    zone: str = "UTC",
    most_wrong: int = jobs.MOST_WRONG,
    late_minutes: int = 60,
) -> BatchSchedule:
    """Start a job whenever `cron` comes round in the time zone, on the file of the input folder that the pattern names.

    Raises Forbidden, Refused by the field that makes no sense.
    """
    require(actor, BATCH)
    if not name.strip():
        raise Refused("Say what it is for.", "name")
    check_zone(zone)
    check_cron(cron)
    _check_pattern(pattern)
    if not 1 <= late_minutes <= MOST_LATE:
        raise Refused(f"A file is missed after 1 to {MOST_LATE:,} minutes.", "late_minutes")
    if not 0 <= most_wrong <= jobs.MOST_ALLOWED:
        raise Refused(f"The limit of wrong rows lies between 0 and {jobs.MOST_ALLOWED:,}.", "most_wrong")
    with transaction.atomic():
        made = BatchSchedule(
            name=name.strip()[:100],
            model=model,
            environment=environment,
            cron=cron.strip(),
            zone=zone,
            pattern=pattern.strip(),
            most_wrong=most_wrong,
            late_minutes=late_minutes,
            created_by=actor,
        )
        made.next_at = due(made, timezone.now(), 1)[0]
        made.save()
        _record("schedule.create", made, actor)
    return made


def switch(*, actor: User | None, schedule: BatchSchedule, on: bool) -> None:
    """Switch a schedule on or off; what was due meanwhile is not made up for. Raises Forbidden, Conflict."""
    require(actor, BATCH)
    next_at = due(schedule, timezone.now(), 1)[0] if on else None
    with transaction.atomic():
        if BatchSchedule.objects.filter(pk=schedule.pk, on=not on).update(on=on, next_at=next_at) != 1:
            raise Conflict(f"It is {'on' if on else 'off'} already.")
        schedule.on, schedule.next_at = on, next_at
        _record("schedule.switch", schedule, actor)


def remove(*, actor: User | None, schedule: BatchSchedule) -> None:
    """Take a schedule away; its jobs stay. Raises Forbidden."""
    require(actor, BATCH)
    with transaction.atomic():
        _record("schedule.remove", schedule, actor)
        schedule.delete()


def due(schedule: BatchSchedule, after: datetime, count: int) -> list[datetime]:
    """Return the next times at which it is due, `count` at most."""
    found = croniter(schedule.cron, after.astimezone(ZoneInfo(schedule.zone)), max_years_between_matches=YEARS)
    return [at for at, _ in zip(found.all_next(datetime), range(count), strict=False)]


def coming(schedule: BatchSchedule) -> list[datetime]:
    """Return the next five times, none for one that is off."""
    return due(schedule, timezone.now(), MOST_COMING) if schedule.on else []


def file_at(schedule: BatchSchedule, at: datetime) -> str:
    """Return the name of the file that is wanted when the job is due at `at`."""
    local = at.astimezone(ZoneInfo(schedule.zone))
    first = local.replace(day=1)

    def fill(found: re.Match[str]) -> str:
        name = found[1]
        if name in BEFORE:
            back, form = BEFORE[name]
            return ((first if name == "last_month" else local) - back).strftime(form)
        return local.strftime(PARTS[name])

    return PART.sub(fill, schedule.pattern)


def start_due() -> None:
    """Start what is due; one that fails does not stop the others."""
    for schedule in BatchSchedule.objects.filter(on=True, next_at__lte=timezone.now()).select_related():
        try:
            _start(schedule)
        except Exception:
            log.exception("%s could not be started; it is tried again", schedule)


def _start(schedule: BatchSchedule) -> None:
    """Start the newest job that is due; what lies before it, while Slipway was away, is missed."""
    now, at = timezone.now(), schedule.next_at
    while at is not None and (following := due(schedule, at, 1)[0]) <= now:
        _miss(schedule, at, following, "Slipway was not running when it was due.")
        at = following
    if at is None:
        return
    following = due(schedule, at, 1)[0]
    name = file_at(schedule, at)
    try:
        files.stored(name)
    except Refused:
        if now > at + timedelta(minutes=schedule.late_minutes):
            _miss(schedule, at, following, f"The file {name} was not there within {schedule.late_minutes} minutes.")
        return
    try:
        with transaction.atomic():
            _go_on(schedule, at, following)
            jobs.start(
                actor=None,
                model=schedule.model,
                environment=schedule.environment,
                stored=name,
                most_wrong=schedule.most_wrong,
                schedule=schedule,
                due_at=at,
            )
    except (Refused, Conflict) as problem:
        _miss(schedule, at, following, problem.message)
    except IntegrityError:
        return  # somebody else has started this very one


def _go_on(schedule: BatchSchedule, at: datetime, following: datetime) -> None:
    if BatchSchedule.objects.filter(pk=schedule.pk, on=True, next_at=at).update(next_at=following) != 1:
        raise IntegrityError("somebody else was first")


def _miss(schedule: BatchSchedule, at: datetime, following: datetime, words: str) -> None:
    """Leave a job that failed before it began, and tell whoever listens; once."""
    name = file_at(schedule, at)
    try:
        with transaction.atomic():
            _go_on(schedule, at, following)
            form, packed = files.form_of(name)
            job = BatchJob.objects.create(
                model=schedule.model,
                environment=schedule.environment,
                folder=f"missed-{schedule.pk}-{int(at.timestamp())}"[:32],
                filename=name[-200:],
                form=form,
                packed=packed,
                stored=name,
                state=BatchJob.State.FAILED,
                words=f"Missed: {words}"[:500],
                schedule=schedule,
                due_at=at,
                ended_at=timezone.now(),
            )
            notices.tell_missed(job)
    except IntegrityError:
        return


def _check_pattern(pattern: str) -> None:
    known = [*PARTS, *BEFORE]
    if unknown := [name for name in PART.findall(pattern) if name not in known]:
        words = ", ".join(f"{{{name}}}" for name in known)
        raise Refused(f"There is no {{{unknown[0]}}}. There are {words}.", "pattern")
    bare = PART.sub("1", pattern)
    if "{" in bare or "}" in bare or bare.startswith("/") or ".." in bare or "\\" in bare or "\0" in bare:
        raise Refused("Name a file below the input folder, such as sales-{yyyy}-{mm}.csv.", "pattern")
    try:
        files.form_of(pattern)
    except Refused as error:
        raise Refused(error.message, "pattern") from error


def _record(action: str, schedule: BatchSchedule, actor: User | None) -> None:
    details: dict[str, Any] = {name: getattr(schedule, name) for name in ("name", "cron", "zone", "pattern", "on")}
    audit.record(
        action,
        schedule,
        actor=actor,
        model=schedule.model.name,
        environment=schedule.environment.name,
        details=details,
    )
