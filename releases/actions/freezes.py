"""Freeze an environment for a time, once or again and again; take a freeze away."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import croniter
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from releases.actions import audit
from releases.actions.gates import look_again
from releases.errors import Refused
from releases.models import Environment, Freeze
from releases.rights import TRAFFIC, require

MOST_MINUTES, MOST_DAYS = 7 * 24 * 60, 366


def freeze(
    *,
    actor: User | None,
    environment: Environment,
    name: str,
    begins: datetime | None = None,
    ends: datetime | None = None,
    cron: str = "",
    minutes: int | None = None,
    zone: str = "UTC",
) -> Freeze:
    """Hold every release into the environment for a time, those that are under way too; never a rollback.

    Either from `begins` to `ends`, or for `minutes` whenever `cron` (five fields, in the time zone) comes round.
    Raises Forbidden, Refused by the field that makes no sense.
    """
    require(actor, TRAFFIC)
    if not name.strip():
        raise Refused("Say what it is for; everybody who waits will read it.", "name")
    check_zone(zone)
    if cron.strip():
        _check_recurring(cron, minutes, begins, ends)
    else:
        _check_once(begins, ends)
    with transaction.atomic():
        made = Freeze.objects.create(
            environment=environment,
            name=name.strip()[:100],
            begins=begins,
            ends=ends,
            cron=cron.strip(),
            minutes=minutes if cron.strip() else None,
            zone=zone,
            created_by=actor,
        )
        audit.record("freeze.create", made, actor=actor, reason=name, environment=environment.name, details=told(made))
    return made


def thaw(*, actor: User | None, freeze: Freeze) -> None:
    """Take a freeze away; releases that waited for its end look again at once. Raises Forbidden."""
    require(actor, TRAFFIC)
    with transaction.atomic():
        audit.record("freeze.remove", freeze, actor=actor, environment=freeze.environment.name, details=told(freeze))
        freeze.delete()
    look_again()


def told(found: Freeze) -> dict[str, Any]:
    """Return a freeze as plain values."""
    if found.cron:
        return {"name": found.name, "cron": found.cron, "minutes": found.minutes, "zone": found.zone}
    times = {"begins": found.begins, "ends": found.ends}
    return {"name": found.name} | {name: at and at.isoformat() for name, at in times.items()}


def check_zone(zone: str) -> None:
    """Raise Refused for what is no time zone."""
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Refused("There is no such time zone; write it like Europe/Berlin.", "zone") from error


def _check_recurring(cron: str, minutes: int | None, begins: datetime | None, ends: datetime | None) -> None:
    if begins or ends:
        raise Refused(
            "A recurring freeze begins by its cron form; leave the dates empty.", "begins" if begins else "ends"
        )
    check_cron(cron)
    if minutes is None or not 1 <= minutes <= MOST_MINUTES:
        raise Refused(f"A recurring freeze lasts 1 to {MOST_MINUTES:,} minutes, which is a week.", "minutes")


def check_cron(cron: str) -> None:
    """Raise Refused for what is no cron form of five fields, and for one that never comes round."""
    if len(cron.split()) != 5 or not croniter.is_valid(cron):
        raise Refused("Write minute, hour, day, month and weekday, such as 0 18 * * 5 for Fridays at 18:00.", "cron")
    if next(croniter(cron, timezone.now(), max_years_between_matches=8).all_next(datetime), None) is None:
        raise Refused("That day never comes.", "cron")


def _check_once(begins: datetime | None, ends: datetime | None) -> None:
    if begins is None or ends is None:
        raise Refused("Say from when to when, or give a cron form.", "begins" if begins is None else "ends")
    if ends <= begins:
        raise Refused("It must end after it has begun.", "ends")
    if ends <= timezone.now():
        raise Refused("That time is over.", "ends")
    if ends - begins > timedelta(days=MOST_DAYS):
        raise Refused(f"It lasts {MOST_DAYS} days at most.", "ends")
