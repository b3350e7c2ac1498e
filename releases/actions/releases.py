"""Promote and abort: the verbs of a release on its way in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from releases import gates, lifecycle, routes
from releases.actions import gates as overriding
from releases.actions import line, windows
from releases.actions.opening import open_release
from releases.errors import Conflict, Refused
from releases.models import Environment, MLModel, Package, Release, Route
from releases.publishing import publish
from releases.queries import planning
from releases.rights import DEPLOY, require
from releases.strategies import STRATEGIES, canary
from releases.wake import wake
from serving.contract import Signature, differences

# A form knows minutes: the one that is running means now.
THIS_MINUTE = timedelta(minutes=1)


def promote(
    *,
    actor: User | None,
    package: Package,
    environment: Environment,
    strategy: str = "",
    reason: str = "",
    start_at: datetime | None = None,
    override: str = "",
    steps: Sequence[tuple[float, float]] | None = None,
    hotfix: str = "",
    quiet: bool = False,
) -> Release:
    """Start a release of the package into the environment; it waits for gates that may yet be met.

    `override` is the reason for which suites that failed shall not hold it, either: the release waits for the consent
    of a second person. `steps` are those of a canary: weight in per cent and seconds each. `hotfix` is why it may move
    although the line is stopped. `quiet`: a recreate waits for the window in which it would hit the fewest.

    Raises Forbidden, Refused (unknown strategy, a start time in the past), Conflict (a release is under way, a gate
    that has failed, already live, or a signature that would refuse what the live package accepts).
    """
    require(actor, DEPLOY, environment)
    strategy = strategy or _usual(package.model, environment)
    plan = _plan(strategy, steps)
    at = timezone.now()
    if plan.get("steps") and (promise := planning.promised(package.model, environment, plan["steps"])):
        plan["promise"] = promise
    if quiet:
        start_at, plan = windows.ahead(package.model, environment, strategy, start_at, at)
    if start_at and start_at < at - THIS_MINUTE:
        raise Refused("The start time is in the past. Leave it empty to start now.", "start_at")
    try:
        with transaction.atomic():
            routes.lock(environment)
            route = route_of(package.model, environment, at)
            line_moves(hotfix)
            _may_enter(package, environment, strategy, route, override)
            columns: dict[str, Any] = {
                "start_at": start_at,
                "replaces": route.stable,
                "model": package.model,
                "plan": plan,
                "hotfix": hotfix.strip(),
            }
            release = open_release(package, environment, strategy, actor, reason, at, **columns)
            if override and actor:
                overriding.ask_override(actor=actor, release=release, reason=override)
    except IntegrityError as error:
        raise _under_way(package.model, environment) from error
    wake(release)
    return release


def send(*, actor: User | None, package: Package, environment: Environment, reason: str = "") -> Release:
    """Send a package all the way: a release into each environment up to this one, in which it has not been yet.

    Each waits for the one before and for its gates, and goes on by itself. Raises what `promote` raises; then none
    of them was made.
    """
    last = None
    with transaction.atomic():
        for place in Environment.objects.filter(position__lte=environment.position):
            been = Release.traffic.filter(package=package, environment=place)
            on_its_way = been.filter(state__in=Release.UNFINISHED).first()
            if on_its_way and place.pk != environment.pk:
                continue
            if place.pk == environment.pk or not been.filter(state=Release.State.LIVE).exists():
                last = promote(actor=actor, package=package, environment=place, reason=reason)
    if last is None:
        raise Conflict(f"There is no environment up to {environment.name}.")
    return last


def abort(*, actor: User | None, release: Release, reason: str) -> Release:
    """Stop a release before its switch has finished; the live package keeps, or gets back, all traffic."""
    require(actor, DEPLOY, release.environment)
    if not reason.strip():
        raise Refused("Say why you stop this release; it stands in the history.", "reason")
    if release.is_rollback and release.is_unfinished:
        raise Conflict("A rollback has taken effect when it begins. Promote the other package to undo it.", ["promote"])
    with transaction.atomic():
        routes.lock(release.environment)
        lifecycle.move(release, "abort", at=timezone.now(), actor=actor, reason=reason)
        publish(release, f"release {release.pk} aborted")
    return release


def route_of(model: MLModel, environment: Environment, at: datetime) -> Route:
    route, _ = Route.objects.get_or_create(model=model, environment=environment, defaults={"changed_at": at})
    return route


def unfinished(model: MLModel, environment: Environment) -> Release | None:
    """Return the release that is under way for the model's traffic there."""
    return Release.traffic.filter(model=model, environment=environment, state__in=Release.UNFINISHED).first()


def line_moves(hotfix: str) -> None:
    """Raise Conflict while the line is stopped, unless this is a hotfix."""
    found = None if hotfix.strip() else line.stopped()
    if found:
        words = f"{line.words(found)} No release begins until it goes on, unless it is a hotfix: then say why."
        raise Conflict(words, ["hotfix"])


def _usual(model: MLModel, environment: Environment) -> str:
    """The environment's own strategy; a canary needs something to be compared with."""
    usual = environment.default_strategy
    live = Route.objects.filter(model=model, environment=environment).exclude(stable=None)
    return "blue_green" if usual == "canary" and not live.exists() else usual


def _plan(strategy: str, steps: Sequence[tuple[float, float]] | None) -> dict[str, Any]:
    """Return what a release keeps of its plan; raises Refused for a strategy or steps that there are not."""
    if strategy not in STRATEGIES:
        raise Refused(f"Unknown strategy {strategy!r}. Choose one of: {', '.join(STRATEGIES)}.", "strategy")
    if strategy != "canary":
        if steps is not None:
            raise Refused("Only a canary goes step by step.", "steps")
        return {}
    try:
        return {"steps": [list(step) for step in canary.checked(canary.STEPS if steps is None else list(steps))]}
    except (TypeError, ValueError) as error:
        raise Refused(str(error), "steps") from error


def _may_enter(package: Package, environment: Environment, strategy: str, route: Route, override: str) -> None:
    if unfinished(package.model, environment):
        raise _under_way(package.model, environment)
    if route.stable_id == package.pk:
        raise Conflict(f"Package {package.number} is live in {environment.name} already.")
    failed = [gate for gate in gates.check(package, environment) if gate.verdict == "fail"]
    if override:
        failed = [gate for gate in failed if not gate.can_be_overridden]
    if failed:
        raise Conflict(" ".join(gate.words for gate in failed), [gate.url for gate in failed if gate.url])
    if route.stable is None and strategy == "canary":
        words = f"Nothing is live in {environment.name} to compare with. Choose recreate or blue_green."
        raise Conflict(words, ["recreate", "blue_green"])
    if route.stable and strategy != "recreate":
        must_accept_the_same(package, route.stable)


def must_accept_the_same(package: Package, stable: Package) -> None:
    """Two packages may share traffic only when the new one accepts every call that the live one accepts (D6)."""
    refused = differences(Signature.from_json(stable.signature), Signature.from_json(package.signature))
    if refused:
        raise Conflict(
            f"Package {package.number} refuses calls that package {stable.number} answers: {'; '.join(refused)}. "
            "Use the strategy recreate, or register it as a new model.",
            ["recreate"],
        )


def _under_way(model: MLModel, environment: Environment) -> Conflict:
    running = unfinished(model, environment)
    which = f"Release {running.pk} is" if running else "Another release was"
    legal = lifecycle.legal(running.state) if running else []
    return Conflict(f"{which} under way for {model.name} in {environment.name}. Wait, or stop it first.", legal)


def retire(route: Route, by: Release, at: datetime) -> None:
    """Mark the releases that were live before; retired is a time, not a state."""
    live = Release.traffic.filter(model=route.model, environment=route.environment, state=Release.State.LIVE)
    live.filter(retired_at=None).exclude(pk=by.pk).update(retired_at=at)
