"""Shadow a package: start it, end it; what it has shown becomes evidence."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from releases import agreement, gates, lifecycle, replay, routes, shadows
from releases.actions import evidence
from releases.actions.opening import open_release
from releases.actions.releases import line_moves, must_accept_the_same
from releases.errors import Conflict, Refused
from releases.models import Environment, Package, Release, Route
from releases.rights import DEPLOY, require
from releases.wake import wake

DAY = 86_400.0
# Each one answers again: more of them would only take the machine from one another.
MOST_AT_ONCE = 3


def start(
    *,
    actor: User | None,
    package: Package,
    environment: Environment,
    share: float = 100.0,
    pairs: int | None = None,
    seconds: float = DAY,
    reason: str = "",
    hotfix: str = "",
    recorded: bool = False,
) -> Release:
    """Let the package answer a share (per cent) of the requests again, unseen, and compare.

    `recorded`: not those that come in, but those that were captured, the newest `pairs` of them, with what the live
    package answered then.

    It ends after `pairs`, those that the model's rule asks for by itself, or after `seconds`. No suite or signature is
    asked for, because no caller ever gets its answers.

    Raises Forbidden, Refused (a number that makes no sense), Conflict (nothing is live to compare with, it is live
    itself, it is shadowed already, too many shadows, or a signature that would refuse what the live package accepts).
    """
    require(actor, DEPLOY, environment)
    rule = agreement.rule_of(package.model.agreement)
    wanted = rule.pairs if pairs is None else pairs
    _must_make_sense(share, wanted, seconds)
    at = timezone.now()
    with transaction.atomic():
        routes.lock(environment)
        line_moves(hotfix)
        route = Route.objects.select_related("stable").filter(model=package.model, environment=environment).first()
        stable = _must_have_another(package, route)
        _must_have_room(package, environment)
        must_accept_the_same(package, stable)
        plan = {"share": share, "pairs": wanted, "seconds": seconds, "rule": rule.to_json()}
        if recorded:
            replay.must_be_possible(package.model, environment, stable)
            plan["recorded"] = True
        columns = {"replaces": stable, "model": package.model, "plan": plan, "hotfix": hotfix.strip()}
        release = open_release(package, environment, "shadow", actor, reason, at, **columns)
    wake(release)
    return release


def end(*, actor: User | None, release: Release, reason: str = "") -> Release:
    """End a comparison by hand; what was found until now is its evidence. Raises Forbidden, Conflict."""
    require(actor, DEPLOY, release.environment)
    if release.strategy != "shadow":
        raise Conflict(f"Release {release.pk} is no shadow: stop it, or roll it back.", ["abort", "rollback"])
    close(release, timezone.now(), reason or "Ended by hand.", actor)
    return release


def close(release: Release, at: datetime, reason: str, actor: User | None = None) -> None:
    """Take the shadow out of the route, and keep what it has shown as evidence about its package."""
    tally = shadows.collect(release, last=True)
    shown = shadows.finding_of(release, tally)
    with transaction.atomic():
        routes.lock(release.environment)
        lifecycle.move(release, "end", at=at, actor=actor, reason=f"{reason} {shown.words}"[:500])
        if release.package:
            evidence.record(
                release.package.digest,
                kind := "replay" if release.plan.get("recorded") else "shadow",
                shown.verdict,
                reference=str(release),
                environment=release.environment,
                settings_digest=gates.settings_of(release.model)[kind],
                words=shown.words,
            )
        routes.publish(release.environment, f"release {release.pk}: end")


def _must_make_sense(share: float, pairs: int, seconds: float) -> None:
    if not 0 < share <= 100:
        raise Refused("The share lies above 0 and is at most 100 %.", "share")
    if not 1 <= pairs <= 10_000_000:
        raise Refused("It takes 1 to 10,000,000 pairs.", "pairs")
    if not 1 <= seconds <= 30 * DAY:
        raise Refused("It lasts from a second to 30 days.", "seconds")


def _must_have_another(package: Package, route: Route | None) -> Package:
    if route is None or route.stable is None:
        raise Conflict("Nothing is live here that it could be compared with.")
    if route.stable_id == package.pk:
        raise Conflict(f"Package {package.number} is live here itself. Shadow another one.")
    if not gates.intake(package).met:
        raise Conflict(f"No intake has passed the bytes of package {package.number}. Register them again.")
    return route.stable


def _must_have_room(package: Package, environment: Environment) -> None:
    running = Release.objects.filter(
        model=package.model, environment=environment, strategy="shadow", state__in=Release.UNFINISHED
    )
    if (same := running.filter(package=package).first()) is not None:
        raise Conflict(f"Release {same.pk} shadows package {package.number} already.", ["end"])
    if running.count() >= MOST_AT_ONCE:
        raise Conflict(f"There are {MOST_AT_ONCE} shadows already. End one of them first.", ["end"])
