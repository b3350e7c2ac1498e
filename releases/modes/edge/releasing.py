"""Releases to devices: they follow what goes live for calls, by the same act; halt, withdraw, arrive."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from releases import lifecycle
from releases.actions.opening import open_release
from releases.errors import Conflict, Refused
from releases.models import EdgeBundle, EdgeChannel, Package, Release, Route
from releases.modes.edge import bundles, channels, fleet
from releases.rights import DEPLOY, require
from releases.strategies import edge
from releases.strategies.base import Fleet
from releases.strategies.canary import checked
from releases.wake import wake

# A bundle is made and tried in a second or two; who says nothing for so long has died.
MAKING_SECONDS = 180.0


def follow(route: Route, by: Release, at: datetime) -> None:
    """Send the package that is live now to the channels that follow the route, in the caller's transaction.

    What comes in goes in steps; what is rolled back goes to all devices at once, and off where nothing is live.
    """
    for channel in channels.followers(route.model, route.environment):
        package = route.stable
        _stop(channel, at, f"Release {by.pk} came after it.", by.created_by)
        if package is None or (bundles.why_not(package) == "" and not _has(channel, package)):
            reason = f"Follows release {by.pk}. {by.reason}".strip()
            _open(channel, package, by.created_by, reason[:500], at, at_once=by.is_rollback)


def start(
    *, actor: User | None, channel: EdgeChannel, steps: Sequence[tuple[float, float]] | None = None, reason: str = ""
) -> Release:
    """Send what is live in the channel's environment to its devices, in steps (per cent and seconds each).

    Raises Forbidden, Refused (steps that make no sense), Conflict (nothing is live, no device can run it, they have
    it, or a release is under way).
    """
    require(actor, DEPLOY, channel.environment)
    try:
        wanted = checked(list(edge.STEPS if steps is None else steps))
    except (TypeError, ValueError) as error:
        raise Refused(str(error), "steps") from error
    at = timezone.now()
    with transaction.atomic():
        locked = channels.lock(channel)
        package = _live(locked)
        if running := channels.coming(locked):
            raise Conflict(f"Release {running.pk} is under way to these devices. Wait, or withdraw it first.")
        if _has(locked, package):
            raise Conflict(f"The devices of {locked.name} are offered package {package.number} already.")
        release = _open(locked, package, actor, reason, at, steps=wanted)
    return release


def withdraw(*, actor: User | None, channel: EdgeChannel, reason: str) -> Release:
    """Give all devices the bundle before, at once; a release on its way ends. Nothing holds this.

    Without one before the model goes off on the devices. Raises Forbidden, Refused (no reason), Conflict (nothing is
    offered).
    """
    require(actor, DEPLOY, channel.environment)
    if not reason.strip():
        raise Refused("Say why you withdraw it; it stands in the history.", "reason")
    at = timezone.now()
    with transaction.atomic():
        locked = channels.lock(channel)
        if running := channels.held(locked):
            if running.is_rollback:
                raise Conflict(f"Release {running.pk} gives the devices what they had before already.")
            lifecycle.move(running, "abort", at=at, actor=actor, reason=reason)
            channels.publish(locked)
            return running
        if locked.bundle is None:
            raise Conflict(f"Nothing is offered to the devices of {locked.name}.")
        return _open(locked, _before(locked), actor, reason, at, at_once=True)


def look(release: Release) -> Fleet | None:
    """Return what a strategy may know of the devices; makes the bundle while the release prepares."""
    channel = channels.channel_of(release)
    if channel is None:
        return Fleet(error="The channel was closed.")
    if release.state == Release.State.PREPARING and not release.plan.get("bundle") and _mine(release):
        release.plan = _remembered(release, _made(release))
    found = fleet.seen(channel, release)
    return Fleet(**{**vars(found), "enough": bool(release.plan.get("enough"))})


def arrive(release: Release, at: datetime) -> None:
    """The bundle of a release that has ended well is what all devices are offered."""
    channel = channels.channel_of(release)
    if channel is None:
        return
    made = EdgeBundle.objects.filter(bundle=release.plan.get("bundle")).first()
    EdgeChannel.objects.filter(pk=channel.pk).update(bundle=made)
    ended = Release.objects.filter(model=release.model, environment=release.environment, strategy="edge")
    ended.filter(state=Release.State.LIVE, retired_at=None).exclude(pk=release.pk).update(retired_at=at)


def publish(release: Release) -> None:
    """Sign the offer anew, for a release that has changed."""
    if channel := channels.channel_of(release):
        channels.publish(channel)


def _open(
    channel: EdgeChannel,
    package: Package | None,
    actor: User | None,
    reason: str,
    at: datetime,
    steps: Sequence[tuple[float, float]] = edge.STEPS,
    at_once: bool = False,
) -> Release:
    """Open the release; one at once has its share when it begins, where its bundle is made already."""
    plan: dict[str, Any] = {"channel": channel.name, "steps": [] if at_once else [list(step) for step in steps]}
    made = bundles.newest(package) if package else None
    if made:
        plan["bundle"] = made.bundle
    columns: dict[str, Any] = {
        "model": channel.model,
        "replaces": channel.bundle and channel.bundle.package,
        "plan": plan,
    }
    if at_once:
        columns["is_rollback"] = True
        if made or package is None:
            columns |= {"state": Release.State.SHIFTING, "weight": 100.0, "stable_weight": 0.0, "step": 1}
    release = open_release(package, channel.environment, "edge", actor, reason, at, **columns)
    channels.publish(channel)
    wake(release)
    return release


def _stop(channel: EdgeChannel, at: datetime, reason: str, actor: User | None) -> None:
    """End what is on its way. A rollback that is offered to all has arrived: what it took away must not come back."""
    running = channels.held(channel)
    if running is None:
        return
    if running.is_rollback and running.state == Release.State.SHIFTING:
        lifecycle.move(running, "finish", at=at, reason=reason)
        arrive(running, at)
        channel.refresh_from_db()
    else:
        lifecycle.move(running, "fail", at=at, actor=actor, reason=reason)
    channels.publish(channel)


def _mine(release: Release) -> bool:
    """Say that this process makes the bundle, so that others look on; one that died is followed after a while."""
    now = time.time()
    with transaction.atomic():
        plan = Release.objects.select_for_update().values_list("plan", flat=True).get(pk=release.pk)
        if now - plan.get("making", 0.0) < MAKING_SECONDS:
            return False
        Release.objects.filter(pk=release.pk).update(plan=plan | {"making": now})
    return True


def _remembered(release: Release, made: dict[str, str]) -> dict[str, Any]:
    """Write into the plan what was made, beside what somebody may have changed there meanwhile."""
    with transaction.atomic():
        now = Release.objects.select_for_update().only("plan").get(pk=release.pk)
        plan: dict[str, Any] = now.plan | made
        Release.objects.filter(pk=release.pk, state=release.state).update(plan=plan)
    return plan


def _made(release: Release) -> dict[str, str]:
    if release.package is None:
        return {}
    try:
        return {"bundle": bundles.export(actor=None, package=release.package).bundle or ""}
    except Conflict as error:
        return {"error": str(error)}


def _live(channel: EdgeChannel) -> Package:
    route = (
        Route.objects.filter(model=channel.model_id, environment=channel.environment_id)
        .select_related("stable")
        .first()
    )
    if route is None or route.stable is None:
        raise Conflict(f"Nothing is live in {channel.environment.name}, which the channel {channel.name} follows.")
    if words := bundles.why_not(route.stable):
        raise Conflict(f"Package {route.stable.number} cannot go to devices. {words}")
    return route.stable


def _has(channel: EdgeChannel, package: Package) -> bool:
    return channel.bundle is not None and channel.bundle.package_id == package.pk


def _before(channel: EdgeChannel) -> Package | None:
    """Return the package that the devices had before what they have now came in; None where there was none.

    What was withdrawn in between came in later, and so never comes back.
    """
    now = channel.bundle.package_id if channel.bundle else None
    came = Release.objects.filter(
        model=channel.model_id,
        environment=channel.environment_id,
        strategy="edge",
        state=Release.State.LIVE,
        is_rollback=False,
    )
    newest = came.filter(package=now).order_by("-id").first()
    if newest is None:
        return None
    older = came.filter(pk__lt=newest.pk).exclude(package=now)
    last = older.select_related("package").order_by("-id").first()
    return last.package if last else None
