"""One step for one release: look, plan, move, publish. Safe to run twice, safe to miss."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from releases import gates, gateways, judging, lifecycle, replay, routes, shadows, trial
from releases.actions import line, rollbacks, windows
from releases.actions import shadows as shadowing
from releases.actions.releases import retire
from releases.analysis.verdict import Verdict
from releases.errors import Conflict, LostRace
from releases.models import Environment, Release, Route
from releases.modes.edge import releasing
from releases.publishing import publish
from releases.strategies import EVERY, Plan, Seen
from releases.strategies.base import Mirrored


def reconcile(release_id: int) -> Plan | None:
    """Take the next small step of a release; returns the plan, or None once it has ended."""
    release = Release.objects.select_related("environment", "package", "model").get(pk=release_id)
    if not release.is_unfinished:
        return None
    now = timezone.now()
    try:
        windows.keep(release, now)
        replay.keep(release)
        plan = EVERY[release.strategy].plan(see(release, now, judging.advance(release)))
        act(release, plan, now)
    except LostRace:
        return Plan("hold", "Another worker was first; look again.")
    return plan


def see(release: Release, now: datetime, verdict: Verdict | None = None) -> Seen:
    """Gather what a strategy may know. The only reader of clock, database, Redis and gateways on its behalf."""
    route = Route.objects.get(model=release.model, environment=release.environment)
    environment = Environment.objects.get(pk=release.environment_id)
    beats, held = gateways.alive(), _held(release)
    adoption = gateways.adoption(environment.name, environment.generation, beats)
    digest = release.package.digest if release.package else ""
    return Seen(
        state=release.state,
        step=release.step,
        weight=release.weight,
        stable_weight=release.stable_weight,
        seconds_in_state=(now - release.state_since).total_seconds(),
        seconds_in_step=(now - release.step_since).total_seconds(),
        is_rollback=release.is_rollback,
        seconds_to_start=(release.start_at - now).total_seconds() if release.start_at else 0.0,
        has_stable=route.stable is not None,
        paused=release.paused_at is not None,
        held=held,
        unmet=_unmet(release),
        gateways=adoption.gateways,
        adopted=adoption.adopted,
        load_error=gateways.load_error(environment.name, digest, beats),
        watch_seconds=_watched(release, environment),
        steps=tuple((weight, seconds) for weight, seconds in release.plan.get("steps", ())),
        control=release.control,
        least_requests=judging.settings_of(release).least_requests,
        mirrored=_mirrored(release, route),
        fleet=releasing.look(release) if release.strategy == "edge" else None,
        checks=trial.smoke(release) if _is_tried(release, adoption) and not held else {},
        quiet=release.plan.get("quiet", {}).get("words", ""),
        **_found(verdict),
    )


def _is_tried(release: Release, adoption: gateways.Adoption) -> bool:
    """What shall share the traffic is tried once it is loaded everywhere; a recreate has nothing to wait beside."""
    loaded = release.state == Release.State.PREPARING and adoption.complete
    return loaded and release.strategy in ("blue_green", "canary") and not release.paused_at


def _mirrored(release: Release, route: Route) -> Mirrored | None:
    if release.strategy != "shadow":
        return None
    tally = shadows.collect(release)
    return Mirrored(
        pairs=tally.pairs,
        wanted=release.plan["pairs"],
        seconds=release.plan["seconds"],
        ready=tally.ready,
        error=release.plan.get("error") or ("" if tally.ready else tally.error),
        replaced=route.stable_id != release.replaces_id,
        recorded=replay.is_one(release),
        over=release.plan.get("over", ""),
    )


def _watched(release: Release, environment: Environment) -> float:
    """Return for how long it is watched after the switch; not at all where somebody said that it is enough."""
    return 0.0 if release.is_rollback or release.plan.get("enough") else float(environment.watch_seconds)


def _found(verdict: Verdict | None) -> dict[str, Any]:
    if verdict is None:
        return {}
    return {"verdict": verdict.state, "verdict_reason": verdict.reason, "requests": verdict.requests}


def act(release: Release, plan: Plan, now: datetime) -> None:
    """Carry the plan out: compare-and-swap, event, audit row and published table in one transaction."""
    if plan.action == "hold":
        if plan.reason != release.note:
            Release.objects.filter(pk=release.pk, state=release.state).update(note=plan.reason[:500])
        return
    if plan.action == "roll_back":
        return _roll_back(release, plan.reason)
    if plan.action == "end":
        return shadowing.close(release, now, plan.reason)
    wanted = {"weight": plan.weight, "stable_weight": plan.stable_weight, "step": plan.step}
    columns: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
    columns |= _times(release, plan, now)
    why = plan.reason[:500]
    with transaction.atomic():
        routes.lock(release.environment)
        if plan.action == "step":
            lifecycle.swap(release, "step", at=now, reason=why, note=why, step_since=now, **columns)
        else:
            lifecycle.move(release, plan.action, at=now, reason=why, **columns)
        if plan.action == "finish":
            _arrive(release, now)
        if plan.action == "shift" and 0 < release.weight < 100 and not release.is_aside:
            judging.begin(release, now)
        publish(release, f"release {release.pk}: {plan.action}")


def _unmet(release: Release) -> tuple[str, ...]:
    """Gates hold the beginning only, and neither a rollback nor what takes no part in the traffic.

    What devices get is live already.
    """
    free = release.is_rollback or release.is_aside
    if release.state != Release.State.WAITING or free or release.package is None:
        return ()
    return tuple(gate.words for gate in gates.unmet(release.package, release.environment, release))


def _held(release: Release) -> str:
    """The line holds all but hotfixes, a freeze what was not overridden; a rollback knows no hold (D7).

    While it waits a freeze is one of its gates.
    """
    found = None if release.hotfix or release.is_rollback else line.stopped()
    if found:
        return line.words(found)
    return "" if release.state == Release.State.WAITING else gates.held_by_a_freeze(release)


def _roll_back(release: Release, reason: str) -> None:
    """What has the traffic goes back as anybody's rollback does: the release ends, and a new one returns."""
    try:
        rollbacks.take_back(actor=None, release=release, reason=reason[:500])
    except Conflict as error:
        Release.objects.filter(pk=release.pk, state=release.state).update(note=f"{reason} It stays: {error}"[:500])


def _times(release: Release, plan: Plan, now: datetime) -> dict[str, Any]:
    if release.is_aside:
        return {}
    if plan.action == "shift" and plan.weight == 0:
        return {"off_at": now}
    # A canary has switched when it got all, not with its first share.
    switches = "step" if release.strategy == "canary" else "shift"
    if plan.action == switches and plan.step in (None, len(release.plan.get("steps", ())) + 1):
        return {"switched_at": now}
    if plan.action in ("finish", "watch") and release.off_at and not release.on_at:
        return {"on_at": now}
    return {}


def _arrive(release: Release, now: datetime) -> None:
    """The released package becomes what is live; what was live becomes the way back. Devices follow."""
    if release.strategy == "edge":
        return releasing.arrive(release, now)
    route = Route.objects.select_for_update().get(model=release.model, environment=release.environment)
    if route.stable_id != release.package_id:
        route.previous, route.stable, route.changed_at = route.stable, release.package, now
        route.save()
    retire(route, release, now)
    releasing.follow(route, release, now)
