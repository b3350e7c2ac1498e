"""Steer a release on its way: another weight, a pause, on with it, all of it now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from releases import gates, lifecycle, routes
from releases.actions import line
from releases.errors import Conflict, Refused
from releases.models import Release
from releases.rights import DEPLOY, require
from releases.strategies.canary import checked, place_of
from releases.wake import wake

PAUSES = (Release.State.WAITING, Release.State.PREPARING, Release.State.SHIFTING, Release.State.WATCHING)


def pause(*, actor: User | None, release: Release, reason: str = "") -> Release:
    """Hold a release where it is; a fault still takes it back, and so does a person.

    Raises Forbidden, Conflict where it is paused already, has ended, or is a rollback, which nothing holds.
    """
    require(actor, DEPLOY, release.environment)
    if release.is_rollback:
        raise Conflict("Nothing holds a rollback.")
    if release.state not in PAUSES or release.paused_at:
        raise Conflict(_cannot(release, "be paused"), legal(release))
    now = timezone.now()
    note = f"Paused by {actor.get_username() if actor else 'Slipway'}. {reason}".strip()
    return _halt(release, "pause", actor, reason, {"paused_at": now, "note": note[:500]})


def resume(*, actor: User | None, release: Release, reason: str = "") -> Release:
    """Let a paused release go on; the time of the pause does not count for its step. Raises Conflict, Forbidden."""
    require(actor, DEPLOY, release.environment)
    if not release.is_unfinished or release.paused_at is None:
        raise Conflict(_cannot(release, "go on: it is not paused"), legal(release))
    now = timezone.now()
    waited = now - release.paused_at
    times = {"step_since": release.step_since + waited, "state_since": release.state_since + waited}
    _halt(release, "resume", actor, reason, {"paused_at": None, "note": "", **times})
    wake(release)
    return release


def _halt(release: Release, action: str, actor: User | None, reason: str, columns: Mapping[str, Any]) -> Release:
    """A shadow that is paused mirrors nothing, so the table changes with it."""
    with transaction.atomic():
        routes.lock(release.environment)
        lifecycle.swap(release, action, at=timezone.now(), actor=actor, reason=reason, **columns)
        if release.strategy == "shadow":
            routes.publish(release.environment, f"release {release.pk}: {action}")
    return release


def set_weight(*, actor: User | None, release: Release, weight: float, reason: str = "") -> Release:
    """Give a canary another share of the traffic, in per cent; it goes on from the step that this belongs to.

    Raises Refused for a weight that is not between 0 and 100, Conflict unless it is a canary that has its share.
    """
    require(actor, DEPLOY, release.environment)
    if not 0 < weight < 100:
        raise Refused("The weight lies between 0 and 100 %. Stop the release, or promote it now.", "weight")
    _must_be_judged(release, "take another weight")
    if weight > release.weight:
        _line_moves(release)
    steps = tuple((least, seconds) for least, seconds in release.plan["steps"])
    share = {"weight": weight, "stable_weight": 100.0 - weight, "step": place_of(weight, steps)}
    words = reason or f"{weight:g} % by hand"
    return _move(release, "weight", actor, words, share, f"{weight:g} % of the traffic, set by hand.")


def set_steps(
    *, actor: User | None, release: Release, steps: Sequence[tuple[float, float]], reason: str = ""
) -> Release:
    """Give a canary, or a release to devices, other steps while it runs: weight in per cent and seconds each.

    It keeps the share that it has. The step that this share belongs to goes on from when it began, and the judge keeps
    what it was told at the start. Raises Refused for steps that make no sense, Conflict unless it may still take them.
    """
    require(actor, DEPLOY, release.environment)
    try:
        wanted = checked(list(steps))
    except (TypeError, ValueError) as error:
        raise Refused(str(error), "steps") from error
    if "steps" not in legal(release):
        raise Conflict(
            _cannot(release, "take other steps: only a canary before its last step can, or one to devices"),
            legal(release),
        )
    plan = {**release.plan, "steps": [list(step) for step in wanted]}
    moving = _is_judged(release) or _is_at_devices(release)
    step = place_of(release.weight, wanted) if moving else release.step
    told = ", ".join(f"{weight:g} % for {seconds:g} s" for weight, seconds in wanted)
    lifecycle.swap(
        release,
        "steps",
        at=timezone.now(),
        actor=actor,
        reason=(reason or f"Other steps: {told}.")[:500],
        plan=plan,
        step=step,
    )
    wake(release)
    return release


def promote_now(*, actor: User | None, release: Release, reason: str) -> Release:
    """Give a canary all of the traffic, whatever the judge has found so far; it is watched afterwards as any other.

    What is watched is watched no longer, whatever its strategy. Raises Refused without a reason, Conflict for a release
    that has neither its share nor all of the traffic.
    """
    require(actor, DEPLOY, release.environment)
    if not reason.strip():
        raise Refused("Say why you do not wait; it stands in the history.", "reason")
    if release.state == Release.State.WATCHING and not release.is_rollback:
        return _enough(release, actor, reason, f"Watched long enough. {reason}")
    if _is_at_devices(release):
        return _enough(release, actor, reason, f"To all devices, by hand. {reason}")
    _must_be_judged(release, "be promoted now")
    _line_moves(release)
    kept = release.control if release.environment.watch_seconds else 0.0
    share: dict[str, Any] = {"weight": 100.0 - kept, "stable_weight": kept, "step": len(release.plan["steps"]) + 1}
    share |= {"paused_at": None, "switched_at": timezone.now()}
    return _move(release, "promote", actor, reason, share, f"All of the traffic, by hand. {reason}")


def _enough(release: Release, actor: User | None, reason: str, note: str) -> Release:
    """The reconciler finishes it with its next look, as it does when its time is over."""
    _line_moves(release)
    columns = {"plan": {**release.plan, "enough": True}, "paused_at": None}
    lifecycle.swap(release, "promote", at=timezone.now(), actor=actor, reason=reason[:500], note=note[:500], **columns)
    wake(release)
    return release


def legal(release: Release) -> list[str]:
    """Return what can be done with a release by hand now, beside stopping it and rolling back."""
    if not release.is_unfinished or release.is_rollback:
        return []
    found = ["resume" if release.paused_at else "pause"]
    if release.strategy == "shadow" and release.state == Release.State.SHIFTING:
        found.append("end")
    if _is_judged(release):
        return [*found, "weight", "steps", "promote"]
    if _is_at_devices(release):
        return [*found, "steps", "promote"]
    if release.state == Release.State.WATCHING:
        return [*found, "promote"]
    coming = release.strategy in ("canary", "edge") and release.state in (
        Release.State.WAITING,
        Release.State.PREPARING,
    )
    return [*found, "steps"] if coming else found


def _is_judged(release: Release) -> bool:
    steps = release.plan.get("steps", ())
    return release.strategy == "canary" and release.state == Release.State.SHIFTING and 0 < release.step <= len(steps)


def _is_at_devices(release: Release) -> bool:
    return release.strategy == "edge" and release.state == Release.State.SHIFTING and not release.is_rollback


def _must_be_judged(release: Release, what: str) -> None:
    if not _is_judged(release):
        raise Conflict(_cannot(release, f"{what}: only a canary that has its share of the traffic can"), legal(release))


def _line_moves(release: Release) -> None:
    """While the line is stopped, or the place frozen, nothing gets more of the traffic, by hand neither."""
    found = None if release.hotfix else line.stopped()
    if found:
        raise Conflict(f"{line.words(found)} Nothing gets more traffic until it goes on.")
    if words := gates.held_by_a_freeze(release):
        raise Conflict(f"{words} Nothing gets more traffic until then, unless two people override it.", ["override"])


def _move(
    release: Release, action: str, actor: User | None, reason: str, columns: Mapping[str, Any], note: str
) -> Release:
    now = timezone.now()
    with transaction.atomic():
        routes.lock(release.environment)
        lifecycle.swap(
            release, action, at=now, actor=actor, reason=reason[:500], step_since=now, note=note[:500], **columns
        )
        routes.publish(release.environment, f"release {release.pk}: {action}")
    wake(release)
    return release


def _cannot(release: Release, what: str) -> str:
    paused = ", paused" if release.paused_at else ""
    return f"Release {release.pk} is {release.state}{paused} and cannot {what}."
