"""The state machine of a release: one table, and one door through which every change of state goes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from releases import notices
from releases.actions import audit
from releases.errors import Conflict, LostRace
from releases.models import EdgeChannel, Event, Release

S = Release.State

MOVES: dict[tuple[str, str], str] = {
    ("begin", S.WAITING): S.PREPARING,
    ("shift", S.PREPARING): S.SHIFTING,
    ("watch", S.SHIFTING): S.WATCHING,
    ("finish", S.SHIFTING): S.LIVE,
    ("finish", S.WATCHING): S.LIVE,
    ("end", S.SHIFTING): S.COMPARED,
    ("abort", S.WAITING): S.ABORTED,
    ("abort", S.PREPARING): S.ABORTED,
    ("abort", S.SHIFTING): S.ABORTED,
    ("fail", S.WAITING): S.FAILED,
    ("fail", S.PREPARING): S.FAILED,
    ("fail", S.SHIFTING): S.FAILED,
    ("fail", S.WATCHING): S.FAILED,
}
ENDS = frozenset(Release.ENDED)
MOVES_TRAFFIC = frozenset({"shift", "step", "weight", "promote", "finish", "abort", "fail"})
# Taking a release down gives the traffic back in the same statement, so that no moment lies between the two.
GIVES_BACK = {"abort": {"weight": 0.0, "stable_weight": 100.0}, "fail": {"weight": 0.0, "stable_weight": 100.0}}


def legal(state: str) -> list[str]:
    """Return the actions that the table allows in a state."""
    return [action for action, old in MOVES if old == state]


def move(
    release: Release, action: str, *, at: datetime, actor: User | None = None, reason: str = "", **columns: Any
) -> Release:
    """Change the state by compare-and-swap, with its event and audit row in the same transaction.

    Raises Conflict where the table forbids the action, LostRace where another process was first.
    """
    new = MOVES.get((action, release.state))
    if new is None:
        raise Conflict(f"A release that is {release.state} cannot {action}.", legal(release.state))
    columns = {"step_since": at, **GIVES_BACK.get(action, {}), **columns}
    if new in ENDS:
        columns["ended_at"] = at
    return swap(release, action, at=at, actor=actor, reason=reason, state=new, state_since=at, note=reason, **columns)


def swap(
    release: Release, action: str, *, at: datetime, actor: User | None = None, reason: str = "", **columns: Any
) -> Release:
    """Change columns if state, step and weight are still what was seen; record event and audit row with it."""
    seen = {name: getattr(release, name) for name in ("state", "step", "weight", "paused_at")}
    with transaction.atomic():
        if Release.objects.filter(pk=release.pk, **seen).update(**columns) != 1:
            raise LostRace("Somebody changed this release a moment ago. Look at it again.")
        for name, value in columns.items():
            setattr(release, name, value)
        record(release, action, at=at, actor=actor, reason=reason, old_state=seen["state"])
    return release


def record(
    release: Release, action: str, *, at: datetime, actor: User | None, reason: str, old_state: str = ""
) -> None:
    """Write the event and the audit row of one step; what nobody did by hand may have to be told."""
    if actor is None:
        notices.tell(release, action, reason)
    Event.objects.create(
        release=release,
        at=at,
        action=action,
        old_state=old_state,
        new_state=release.state,
        weight=release.weight,
        reason=reason,
        actor=actor,
    )
    audit.record(
        f"release.{action}",
        release,
        at=at,
        actor=actor,
        reason=reason,
        model=release.model.name,
        environment=release.environment.name,
        details={
            "package": release.package and release.package.number,
            "digest": release.package and release.package.digest,
            "strategy": release.strategy,
            "from": old_state,
            "to": release.state,
            "weight": release.weight,
            **_modes(release, action),
        },
    )


def _modes(release: Release, action: str) -> dict[str, list[str]]:
    """Name the serving modes that a step switches: batches and streams follow the very route that calls do.

    Devices follow once a package is live, and at once where it is taken back.
    """
    if release.is_aside:
        return {"modes": ["edge"]} if release.strategy == "edge" and action in MOVES_TRAFFIC else {}
    if action not in MOVES_TRAFFIC and not (release.is_rollback and action == "create"):
        return {}
    found = ["rest", "batch", "stream"]
    if action == "finish" or release.is_rollback:
        channels = EdgeChannel.objects.filter(model=release.model_id, environment=release.environment_id, on=True)
        found += [f"edge {name}" for name in channels.values_list("name", flat=True)]
    return {"modes": found}
