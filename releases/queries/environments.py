"""Environments as people look at them: in order, what is live, who serves it, and what was live at a moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Count, Q, QuerySet

from releases import gateways
from releases.gateways import Adoption
from releases.models import Environment, PublishedTable, Release, Route
from serving.exchange import Heartbeat

STRATEGY_WORDS = {"blue_green": "Blue/green", "recreate": "Recreate", "canary": "Canary", "shadow": "Shadow"}
ARMS = ("stable", "candidate", "control", "previous")


@dataclass(frozen=True)
class Row:
    """One environment of the list: how many models are live in it, its gates in words, who has its newest table."""

    environment: Environment
    live: int
    gates: tuple[str, ...]
    adoption: Adoption

    @property
    def strategy(self) -> str:
        return STRATEGY_WORDS.get(self.environment.default_strategy, self.environment.default_strategy)


@dataclass(frozen=True)
class Served:
    """One target of a published table: a package of a model, its arm and its share of the traffic in per cent."""

    model: str
    package: int
    digest: str
    arm: str
    weight: float
    since: datetime | None = None


@dataclass(frozen=True)
class Process:
    """One live gateway process, as it speaks of itself about one environment.

    `packages` holds (name, digest, state) of what it has loaded; the name is empty for what no route names any more.
    `throttled` counts requests over a limit since its start, `cut_off` is when it was last without Redis.
    """

    name: str
    address: str
    pid: int
    boot: str
    seen: datetime
    generation: int
    error: str | None
    versions: dict[str, str]
    packages: tuple[tuple[str, str, str], ...]
    throttled: int = 0
    cut_off: tuple[datetime, datetime] | None = None


def overview(beats: list[Heartbeat] | None) -> list[Row]:
    """Return every environment in order, in one query."""
    live = Count("routes", filter=Q(routes__stable__isnull=False))
    # A query that groups forgets the order of the model.
    environments = list(Environment.objects.annotate(live=live).order_by("position"))
    earlier = [None, *environments]
    return [
        Row(each, each.live, gate_words(each, before), gateways.adoption(each.name, each.generation, beats))
        for each, before in zip(environments, earlier, strict=False)
    ]


def gate_words(environment: Environment, before: Environment | None) -> tuple[str, ...]:
    """Return what a package must meet to come in, in words."""
    words = ["its intake has passed"]
    if environment.needs_previous and before:
        words.append(f"it has been live in {before.name}")
    return tuple(words)


def newest_table(environment: Environment) -> PublishedTable | None:
    return environment.tables.filter(generation=environment.generation).first()


def table_at(environment: Environment, at: datetime) -> PublishedTable | None:
    """Return the table that held at the moment: "what was live at T"; None before the first one."""
    return environment.tables.filter(at__lte=at).order_by("-generation").first()


def tables(environment: Environment) -> QuerySet[PublishedTable]:
    """Return every published table, newest first, without its (large) body."""
    return environment.tables.order_by("-generation").defer("body")


def served(table: PublishedTable | None) -> list[Served]:
    """Return what a table routes, by model and arm."""
    routes = table.body["routes"].values() if table else []
    found = [_served(route["model"], target) for route in routes for target in route["targets"]]
    return sorted(found, key=lambda each: (each.model, ARMS.index(each.arm)))


def live(environment: Environment) -> list[dict[str, Any]]:
    """Return each model's targets there now, since when its live package is live, and the release under way."""
    since = {route.model.name: route for route in _routes(environment)}
    running = {release.model.name: release for release in _running(environment)}
    by_model: dict[str, list[Served]] = {}
    for target in served(newest_table(environment)):
        by_model.setdefault(target.model, []).append(target)
    return [
        {"model": name, "targets": targets, "route": since.get(name), "release": running.get(name)}
        for name, targets in by_model.items()
    ]


def processes(environment: Environment, beats: list[Heartbeat] | None) -> list[Process]:
    """Return the live gateway processes that serve the environment."""
    names = {each.digest: f"{each.model} {each.package}" for each in served(newest_table(environment))}
    return [_process(environment.name, beat, names) for beat in beats or [] if environment.name in beat.environments]


def has_history(environment: Environment) -> bool:
    return Release.objects.filter(environment=environment).exists()


def moved(names: list[str], name: str, steps: int) -> list[str]:
    """Return the order with one name moved by so many places; at the ends it stays where it is."""
    rest = [other for other in names if other != name]
    place = max(0, min(len(rest), names.index(name) + steps))
    return [*rest[:place], name, *rest[place:]]


def _served(model: str, target: dict[str, Any]) -> Served:
    return Served(model, target["package"], target["digest"], target["arm"], target["weight"])


def _routes(environment: Environment) -> QuerySet[Route]:
    routes = Route.objects.filter(environment=environment).select_related("model", "stable")
    return routes.only("model__name", "stable__number", "changed_at")


def _running(environment: Environment) -> QuerySet[Release]:
    unfinished = Release.traffic.filter(environment=environment, state__in=Release.UNFINISHED)
    return unfinished.select_related("model").order_by("id")


def _process(environment: str, beat: Heartbeat, names: dict[str, str]) -> Process:
    state = beat.environments[environment]
    loaded = tuple(sorted((names.get(digest, ""), digest, word) for digest, word in state.packages.items()))
    seen = datetime.fromtimestamp(beat.at, UTC)
    cut_off = _moments(*beat.cut_off) if beat.cut_off else None
    return Process(
        name=beat.name,
        address=beat.address,
        pid=beat.pid,
        boot=beat.boot,
        seen=seen,
        generation=state.generation,
        error=state.error,
        versions=beat.versions,
        packages=loaded,
        throttled=beat.throttled.get(environment, 0),
        cut_off=cut_off,
    )


def _moments(since: float, until: float) -> tuple[datetime, datetime]:
    return datetime.fromtimestamp(since, UTC), datetime.fromtimestamp(until, UTC)
