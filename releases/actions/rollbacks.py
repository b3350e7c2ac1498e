"""Roll back: give the traffic to a package that was live before, in one transaction that nothing holds."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from releases import lifecycle, routes
from releases.actions.opening import open_release
from releases.actions.releases import retire, route_of, unfinished
from releases.errors import Conflict, Refused
from releases.models import Environment, MLModel, Package, Release, Route
from releases.modes.edge import releasing
from releases.rights import DEPLOY, require
from releases.wake import wake


def roll_back(
    *,
    actor: User | None,
    model: MLModel,
    environment: Environment,
    package: Package | None = None,
    leaving: Package | None = None,
    off: bool = False,
    reason: str,
) -> Release:
    """Give the traffic back to the previous (or the named) package; nothing ever holds this.

    While a release is still on its way to the switch, that release fails and the live package keeps the traffic.
    Otherwise a new release of the older package begins, and the running one ends, in one transaction. `leaving` is the
    package that the caller wants gone: of two who roll back at once the second is told, and brings nothing back.
    `off` allows what happens where no package is left to return to: the model goes off.

    Raises Refused (no reason; a package that was never live there), Conflict (nothing to leave, or not that any more).
    """
    require(actor, DEPLOY, environment)
    if not reason.strip():
        raise Refused("Say why you roll back; it stands in the history.", "reason")
    at = timezone.now()
    with transaction.atomic():
        routes.lock(environment)
        route = route_of(model, environment, at)
        running = unfinished(model, environment)
        _may_return(route, running, package, leaving)
        if running and _only_stops(running, route, package):
            lifecycle.move(running, "fail", at=at, actor=actor, reason=reason)
            routes.publish(environment, f"rollback of release {running.pk}")
            return running
        release = _return(route, running, package, off, actor, reason, at)
    wake(release)
    return release


def take_back(*, actor: User | None, release: Release, reason: str, off: bool = False) -> Release:
    """Roll this very release back; raises Conflict when another one decides by now."""
    require(actor, DEPLOY, release.environment)
    with transaction.atomic():
        routes.lock(release.environment)
        release = Release.objects.select_related("model", "environment").get(pk=release.pk)
        if not is_current(release):
            raise Conflict(f"Release {release.pk} does not decide any more. Roll back what is live now.")
        return roll_back(
            actor=actor,
            model=release.model,
            environment=release.environment,
            leaving=release.package,
            off=off,
            reason=reason,
        )


def is_current(release: Release) -> bool:
    """Answer whether the release is on its way to the traffic, or has it; one that is aside never gets any."""
    if release.is_unfinished:
        return not release.is_aside
    return release.state == Release.State.LIVE and release.retired_at is None and not release.is_aside


def way_back(route: Route, running: Release | None = None) -> Package | None:
    """Return the package that a rollback goes to: the live one while a release is watched, else the one before."""
    if running and running.package_id != route.stable_id:
        return route.stable
    return route.previous


def _may_return(route: Route, running: Release | None, package: Package | None, leaving: Package | None) -> None:
    """Under the lock: is it still what the caller saw, and may it go where the caller says?"""
    where = f"{route.model.name} in {route.environment.name}"
    now = running.package if running else route.stable
    if leaving and (now is None or now.pk != leaving.pk):
        raise Conflict(f"Package {leaving.number} does not decide for {where} any more. Look again.")
    if package and package.pk not in (route.previous_id, route.stable_id) and not _was_live(package, route):
        words = f"Package {package.number} was never live in {route.environment.name}. Promote it instead."
        raise Refused(words, "package")
    last = running or _live_release(route)
    if package is None and leaving is None and last and last.is_rollback:
        raise Conflict(f"The last release of {where} was a rollback. Name the package to return to.", ["package"])


def _was_live(package: Package, route: Route) -> bool:
    found = Release.traffic.filter(package=package, environment=route.environment, state=Release.State.LIVE)
    return found.exists()


def _only_stops(running: Release, route: Route, package: Package | None) -> bool:
    """What is live has not changed yet, and it is what the traffic shall return to."""
    before_the_switch = running.state != Release.State.WATCHING and not running.is_rollback
    return before_the_switch and (package is None or package.pk == route.stable_id)


def _return(
    route: Route,
    running: Release | None,
    package: Package | None,
    off: bool,
    actor: User | None,
    reason: str,
    at: datetime,
) -> Release:
    """End what runs, move the route, and open the release that returns; publish all of it as one table."""
    back = package or way_back(route, running)
    leaving = running.package if running and running.weight > 0 else route.stable
    if back is None and leaving is None:
        raise Conflict(f"Nothing is live for {route.model.name} in {route.environment.name}.")
    if back is None and not off:
        raise Conflict("No package is left to return to. Say that it shall go off.", ["off"])
    if back and leaving and back.pk == leaving.pk:
        raise Conflict(f"Package {back.number} is the one that answers already.")
    if running:
        lifecycle.move(running, "fail", at=at, actor=actor, reason=reason)
    before = running or _live_release(route)
    route.previous, route.stable, route.changed_at = leaving, back, at
    route.save()
    release = open_release(
        back,
        route.environment,
        "blue_green",
        actor,
        reason,
        at,
        model=route.model,
        replaces=leaving,
        state=Release.State.SHIFTING,
        weight=100.0,
        stable_weight=0.0,
        is_rollback=True,
        rolls_back=before,
        switched_at=at,
    )
    retire(route, release, at)
    routes.publish(route.environment, f"rollback, release {release.pk}")
    releasing.follow(route, release, at)
    return release


def _live_release(route: Route) -> Release | None:
    found = Release.traffic.filter(model=route.model, environment=route.environment, state=Release.State.LIVE)
    return found.filter(retired_at=None).order_by("-id").first()
