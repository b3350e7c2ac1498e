"""Stop the line: no release moves and none begins, anywhere, until somebody lets it go on. Rollbacks always go."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from releases.actions import audit
from releases.errors import Conflict, Refused
from releases.models import LineStop, Release
from releases.rights import TRAFFIC, require


def stop(*, actor: User | None, reason: str) -> LineStop:
    """Hold every release that is under way, and refuse new ones unless they are a hotfix.

    Raises Forbidden, Refused without a reason, Conflict where the line is stopped already.
    """
    require(actor, TRAFFIC)
    words = _said(reason, "Say why you stop the line; everybody who waits will read it.")
    try:
        with transaction.atomic():
            made = LineStop.objects.create(reason=words, stopped_at=timezone.now(), stopped_by=actor)
            audit.record("line.stop", made, actor=actor, reason=words)
    except IntegrityError as error:
        raise Conflict("The line is stopped already.") from error
    return made


def go_on(*, actor: User | None, reason: str) -> LineStop:
    """Let releases move again. Raises Forbidden, Refused without a reason, Conflict where nothing is stopped."""
    require(actor, TRAFFIC)
    words = _said(reason, "Say why it is safe to go on; it stands in the history.")
    found = stopped()
    if found is None:
        raise Conflict("The line is not stopped.")
    with transaction.atomic():
        ended: dict[str, Any] = {"is_open": None, "ended_at": timezone.now(), "ended_by": actor, "ended_reason": words}
        if LineStop.objects.filter(pk=found.pk, is_open=True).update(**ended) != 1:
            raise Conflict("Somebody let the line go on a moment ago.")
        _give_back(found.stopped_at, ended["ended_at"])
        audit.record("line.resume", found, actor=actor, reason=words)
    found.refresh_from_db()
    return found


def _give_back(since: datetime, until: datetime) -> None:
    """The time of the stop counts for no step and no watch; who is paused besides gets it back when it goes on."""
    held = Release.objects.filter(state__in=Release.UNFINISHED, is_rollback=False, hotfix="", paused_at=None)
    for release in held:
        times = {name: getattr(release, name) for name in ("step_since", "state_since")}
        waited = {name: at + (until - max(since, at)) for name, at in times.items()}
        Release.objects.filter(pk=release.pk, **times).update(**waited)


def stopped() -> LineStop | None:
    """Return why the line is stopped, or None while it runs."""
    return LineStop.objects.select_related("stopped_by").filter(is_open=True).first()


def words(found: LineStop) -> str:
    """Say who stopped the line and why."""
    who = found.stopped_by.get_username() if found.stopped_by else "Slipway"
    return f"The line was stopped by {who}: {found.reason}"


def _said(reason: str, otherwise: str) -> str:
    if not reason.strip():
        raise Refused(otherwise, "reason")
    return reason.strip()[:500]
