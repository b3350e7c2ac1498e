"""What is live where, what is moving, and what may come next: the board in a fixed number of queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery

from releases.models import Environment, Intake, MLModel, Package, Release, Route
from serving.contract import Signature, SignatureError, differences

# The heavy columns of a package (files, example, differences) are never needed in a list.
LIGHT = ("id", "model_id", "number", "digest", "runtime", "signature", "created_at")
_HEAVY = tuple(field.attname for field in Package._meta.concrete_fields if field.attname not in LIGHT)
# Digests never change, so what two of them differ in never does either.
_KNOWN: dict[tuple[str, str], tuple[str, ...]] = {}
KNOWN_MOST = 2000


@dataclass(frozen=True)
class Place:
    """One model in one environment. `offer` is the package that may come in next; `again`: it was rolled back here."""

    model: MLModel
    environment: Environment
    stable: Package | None = None
    previous: Package | None = None
    since: datetime | None = None
    running: Release | None = None
    offer: Package | None = None
    again: bool = False
    refuses: tuple[str, ...] = ()

    @property
    def is_off(self) -> bool:
        return self.stable is None and self.running is None

    @property
    def can_roll_back(self) -> bool:
        return self.stable is not None or self.running is not None


@dataclass(frozen=True)
class Row:
    """One model with its place in every environment, in order; `newest` is its newest package."""

    model: MLModel
    newest: Package | None
    uploads: int
    places: tuple[Place, ...]


def rows(environments: list[Environment], model: MLModel | None = None) -> list[Row]:
    """Return the board, or one model's row of it; four queries, whatever the number of models."""
    models = list(_models(model))
    routes = {(route.model_id, route.environment_id): route for route in _routes(models)}
    running = {(release.model_id, release.environment_id): release for release in _running(models)}
    newest = Package.objects.only(*LIGHT).in_bulk([pk for each in models if (pk := each.newest_id)])
    return [_row(each, environments, routes, running, newest.get(each.newest_id)) for each in models]


def _models(model: MLModel | None) -> QuerySet[Any]:
    found = MLModel.objects.filter(pk=model.pk) if model else MLModel.objects.all()
    newest = Package.objects.filter(model=OuterRef("pk")).order_by("-number").values("pk")[:1]
    uploads = Count("intakes", filter=Q(intakes__state__in=Intake.OPEN))
    return found.annotate(newest_id=Subquery(newest), uploads=uploads)


def _routes(models: list[MLModel]) -> QuerySet[Route]:
    heavy = [f"{role}__{name}" for role in ("stable", "previous") for name in _HEAVY]
    return Route.objects.filter(model__in=models).select_related("stable", "previous").defer(*heavy)


def _running(models: list[MLModel]) -> QuerySet[Release]:
    unfinished = Release.traffic.filter(model__in=models, state__in=Release.UNFINISHED)
    both = unfinished.select_related("package", "replaces")
    return both.defer(*[f"{role}__{name}" for role in ("package", "replaces") for name in _HEAVY])


def _row(
    model: Any,
    environments: list[Environment],
    routes: dict[tuple[int, int], Route],
    running: dict[tuple[int, int], Release],
    newest: Package | None,
) -> Row:
    here = [(each, routes.get((model.pk, each.pk)), running.get((model.pk, each.pk))) for each in environments]
    sources = [newest, *(route.stable if route else None for _, route, _ in here)]
    pairs = zip(sources, here, strict=False)
    places = tuple(
        _place(model, environment, route, release, source) for source, (environment, route, release) in pairs
    )
    return Row(model, newest, model.uploads, places)


def _place(
    model: MLModel, environment: Environment, route: Route | None, running: Release | None, source: Package | None
) -> Place:
    stable, previous = (route.stable, route.previous) if route else (None, None)
    offer = None if running else _offer(source, stable)
    return Place(
        model=model,
        environment=environment,
        stable=stable,
        previous=previous,
        since=route.changed_at if route and stable else None,
        running=running,
        offer=offer,
        again=bool(offer and previous and offer.pk == previous.pk),
        refuses=refuses(stable, offer) if stable and offer else (),
    )


def _offer(source: Package | None, stable: Package | None) -> Package | None:
    """What is live one environment before (or newest, for the first) comes next, unless it is here, or older."""
    if source is None or (stable and source.number <= stable.number):
        return None
    return source


def refuses(stable: Package, candidate: Package) -> tuple[str, ...]:
    """Return, in words, which calls the candidate refuses that the live package answers; remembered by digest."""
    key = (stable.digest, candidate.digest)
    if key not in _KNOWN:
        if len(_KNOWN) > KNOWN_MOST:
            _KNOWN.clear()
        _KNOWN[key] = _compare(stable.signature, candidate.signature)
    return _KNOWN[key]


def _compare(stable: dict[str, Any], candidate: dict[str, Any]) -> tuple[str, ...]:
    try:
        return tuple(differences(Signature.from_json(stable), Signature.from_json(candidate)))
    except SignatureError as error:
        return (str(error),)
