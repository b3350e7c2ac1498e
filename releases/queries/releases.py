"""Releases as pages and REST show them: lists, events, and what a promote or a rollback would change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet

from releases import gates, gateways
from releases.actions.releases import unfinished
from releases.actions.rollbacks import way_back
from releases.gates import Gate
from releases.models import Environment, Event, Evidence, MLModel, Package, Release, Route
from releases.queries.board import refuses
from releases.strategies import STRATEGIES

RECREATE_ONLY = "recreate"


@dataclass(frozen=True)
class Option:
    """A strategy that could be chosen; `reason` says why it cannot, and is empty where it can."""

    name: str
    label: str
    summary: str
    reason: str = ""


@dataclass(frozen=True)
class Switch:
    """What a promote would change: what is live, what comes, what is in the way, and how it could be done."""

    package: Package
    environment: Environment
    stable: Package | None
    running: Release | None
    refuses: tuple[str, ...] = ()
    gates: list[Gate] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)

    @property
    def unmet(self) -> list[Gate]:
        return [gate for gate in self.gates if not gate.met]

    @property
    def failed(self) -> list[Gate]:
        """What a release would not even wait for."""
        return [gate for gate in self.gates if gate.verdict == "fail"]

    @property
    def is_live(self) -> bool:
        return self.stable is not None and self.stable.pk == self.package.pk

    @property
    def is_blocked(self) -> bool:
        return bool(self.failed) or self.running is not None or self.is_live

    @property
    def seen(self) -> str:
        """A mark of the state that the page shows; a form that carries another one is stale."""
        return mark(self.stable, self.running)


@dataclass(frozen=True)
class Return:
    """What a rollback would change. `back` is where it goes by itself; None means off."""

    model: MLModel
    environment: Environment
    stable: Package | None
    running: Release | None
    leaving: Package | None
    back: Package | None
    choices: list[Package]

    @property
    def stops_only(self) -> bool:
        """The release is still on its way to the switch: it ends, and the live package keeps the traffic."""
        return bool(self.running and self.running.state != Release.State.WATCHING and not self.running.is_rollback)

    @property
    def nothing_live(self) -> bool:
        return self.leaving is None and self.running is None

    @property
    def seen(self) -> str:
        return mark(self.stable, self.running)


def mark(stable: Package | None, running: Release | None) -> str:
    """Name a state of a route, such as `2.17.shifting`; two marks are equal where nothing changed in between."""
    return f"{stable.number if stable else 0}.{running.pk if running else 0}.{running.state if running else ''}"


def switch(package: Package, environment: Environment) -> Switch:
    """Return what a promote of the package into the environment would change."""
    route = _route(package.model, environment)
    stable = route.stable if route else None
    refused = refuses(stable, package) if stable else ()
    alone = stable is None
    return Switch(
        package=package,
        environment=environment,
        stable=stable,
        running=_running(package.model, environment),
        refuses=refused,
        gates=gates.check(package, environment),
        options=[_option(name, bool(refused), alone) for name in STRATEGIES],
    )


def way_out(model: MLModel, environment: Environment) -> Return:
    """Return what a rollback of the model in the environment would change, and where else it could go."""
    route = _route(model, environment)
    running = _running(model, environment)
    stable = route.stable if route else None
    leaving = running.package if running else stable
    back = way_back(route, running) if route else None
    choices = [package for package in been_live(model, environment) if package != leaving]
    return Return(model, environment, stable, running, leaving, back, choices)


def rehearsal(package: Package | None) -> Evidence | None:
    """Return what the newest rehearsal of leaving this package showed, wherever it was."""
    if package is None:
        return None
    found = Evidence.objects.filter(digest=package.digest, kind="rehearsal").select_related("environment")
    return found.order_by("-id").first()


def been_live(model: MLModel, environment: Environment) -> list[Package]:
    """Return the packages that were live there once, newest first."""
    live = Release.traffic.filter(model=model, environment=environment, state=Release.State.LIVE)
    return list(Package.objects.filter(pk__in=live.values("package")).order_by("-number").select_related("model"))


def filtered(model: str = "", environment: str = "", state: str = "", strategy: str = "") -> QuerySet[Release]:
    """Return releases, newest first, by the names of model and environment, by state and by strategy."""
    wanted: dict[str, Any] = {"model__name": model, "environment__name": environment, "strategy": strategy}
    found = Release.objects.filter(**{name: value for name, value in wanted.items() if value})
    found = _by_state(found, state)
    both = found.select_related("model", "environment", "package", "replaces", "created_by")
    return both.only(
        *("strategy", "state", "weight", "reason", "note", "created_at", "ended_at", "retired_at", "start_at", "plan"),
        *("model__name", "environment__name", "package__number", "replaces__number", "created_by__username"),
        *("off_at", "on_at", "switched_at", "state_since", "is_rollback", "paused_at"),
    )


def arms(model: MLModel, environment: str) -> dict[int, str]:
    """Return the role of each package that matters there now: {number: "candidate" | "stable"}."""
    route = Route.objects.filter(model=model, environment__name=environment).select_related("stable").first()
    running = _unfinished(model).filter(environment__name=environment).select_related("package").first()
    roles = {route.stable.number: "stable"} if route and route.stable else {}
    if running and running.package and running.package.number not in roles:
        roles[running.package.number] = "candidate"
    return roles


def _unfinished(model: MLModel) -> QuerySet[Release]:
    return Release.traffic.filter(model=model, state__in=Release.UNFINISHED)


def events(release: Release) -> QuerySet[Event]:
    """Return what happened to a release, newest first."""
    return release.events.select_related("actor").order_by("-id")


def is_current(release: Release) -> bool:
    """Return whether a rollback of model and environment would undo this release: it runs, or it is what is live."""
    if release.is_aside:
        return False
    if release.is_unfinished:
        return True
    return release.state == Release.State.LIVE and release.retired_at is None and release.package_id is not None


def follows(release: Release) -> Release | None:
    """Return the rollback of this release, where there was one."""
    return release.rolled_back_by.order_by("id").first()


def adoption(release: Release) -> gateways.Adoption:
    """Return how many live gateways of the release's environment serve its newest table."""
    environment = Environment.objects.only("name", "generation").get(pk=release.environment_id)
    return gateways.adoption(environment.name, environment.generation, gateways.alive())


def _by_state(found: QuerySet[Release], state: str) -> QuerySet[Release]:
    if state == "moving":
        return found.filter(state__in=Release.UNFINISHED)
    if state == "retired":
        return found.filter(state=Release.State.LIVE).exclude(retired_at=None)
    if state == Release.State.LIVE:
        return found.filter(state=state, retired_at=None)
    return found.filter(state=state) if state else found


def _route(model: MLModel, environment: Environment) -> Route | None:
    routes = Route.objects.select_related("stable__model", "previous__model", "environment", "model")
    return routes.filter(model=model, environment=environment).first()


def _running(model: MLModel, environment: Environment) -> Release | None:
    return unfinished(model, environment)


def _option(name: str, refused: bool, alone: bool) -> Option:
    strategy = STRATEGIES[name]
    reason = ""
    if refused and name != RECREATE_ONLY:
        reason = "The new package refuses calls that the live one answers, so the two may not share traffic."
    elif alone and name == "canary":
        reason = "Nothing is live here that it could be compared with."
    return Option(name, strategy.label, strategy.summary, reason)
