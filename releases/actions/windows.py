"""The quiet window of a recreate: found before it starts, and found again where it could not begin in it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from releases import lifecycle
from releases.errors import Refused
from releases.models import Environment, MLModel, Release
from releases.queries import quiet
from releases.queries.quiet import Quiet


def ahead(
    model: MLModel, environment: Environment, strategy: str, start_at: datetime | None, now: datetime
) -> tuple[datetime, dict[str, Any]]:
    """Return when the next quiet window begins, and the plan of a release that waits for it.

    Raises Refused: not a recreate, a start time besides, or nothing that was counted yet.
    """
    if strategy != "recreate":
        raise Refused("Only recreate takes a model off, so only it waits for a quiet window.", "quiet")
    if start_at:
        raise Refused("It starts in the quiet window: leave the start time empty.", "start_at")
    _, window = quiet.proposed(model, environment, now)
    if window is None:
        raise Refused("Nothing was counted here yet, so nobody knows when it is quiet.", "quiet")
    return window.begins, {"quiet": _told(window)}


def keep(release: Release, now: datetime) -> None:
    """Put a release off to the next window where the last one is over and it has not begun."""
    waits = release.plan.get("quiet") if release.state == Release.State.WAITING else None
    if not waits or now < datetime.fromisoformat(waits["ends"]):
        return
    _, window = quiet.proposed(release.model, release.environment, now)
    if window is None:
        return
    words = f"It could not begin in its window: put off to {window.words}."
    plan = {**release.plan, "quiet": _told(window)}
    lifecycle.swap(release, "postpone", at=now, reason=words, start_at=window.begins, plan=plan)


def _told(window: Quiet) -> dict[str, Any]:
    return {
        "begins": window.begins.isoformat(),
        "ends": window.ends.isoformat(),
        "words": window.words,
        "per_minute": round(window.per_minute, 3),
        "hit": round(window.hit, 3),
    }
