"""Which suites are wanted now: what waiting releases miss, smoke after a switch, unit after a registration."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Exists, F, Max, OuterRef, Q

from releases import gates
from releases.models import Environment, Evidence, MLModel, Package, Release, Route, SuiteSetting, Want
from releases.models.packages import HEAVY
from releases.models.releases import ASIDE
from releases.wants import settings_digest

# These run against the package alone, so it need not answer anywhere.
ALONE = frozenset({"unit"})


@dataclass(frozen=True)
class Check:
    """One suite to run on one package in one environment, and who wants it."""

    package: Package
    environment: Environment
    kind: str
    cause: str

    @property
    def key(self) -> tuple[int, int, str]:
        return self.package.pk, self.environment.pk, self.kind


def wanted_checks() -> list[Check]:
    """Return each check once, those that hold a release first."""
    found: dict[tuple[int, int, str], Check] = {}
    for check in [*_for_waiting(), *_after_a_switch(), *_after_a_registration()]:
        found.setdefault(check.key, check)
    return list(found.values())


def settings_for(model: MLModel, kind: str) -> tuple[dict[str, Any], str]:
    """Return the settings with which a kind runs for a model today, and their digest."""
    row = SuiteSetting.objects.filter(model=model, kind=kind).first()
    values: dict[str, Any] = row.values if row else {}
    return values, row.digest if row else settings_digest(values)


def is_live(package: Package, environment: Environment) -> bool:
    """Answer whether the package answers all calls of its model there."""
    return Route.objects.filter(environment=environment, model=package.model, stable=package).exists()


def _for_waiting() -> list[Check]:
    places = {place.name: place for place in Environment.objects.all()}
    found = []
    waiting = Q(state=Release.State.WAITING, is_rollback=False)
    for release, package in _with_packages(waiting):
        for gate in gates.unmet(package, release.environment, release):
            if gate.missing and (gate.kind in ALONE or is_live(package, places[gate.where])):
                found.append(Check(package, places[gate.where], gate.kind, str(release)))
    return found


def _after_a_switch() -> list[Check]:
    """Every package that got the traffic shows at once that it answers; a result from before does not count."""
    moved = _with_packages(in_traffic())
    newest = Evidence.objects.filter(kind="smoke", digest__in={package.digest for _, package in moved})
    rows = newest.order_by().values_list("digest", "environment").annotate(last=Max("at"))
    last = {(digest, place): at for digest, place, at in rows}
    found = []
    for release, package in moved:
        at = last.get((package.digest, release.environment_id))
        if at is None or at < since(release):
            found.append(Check(package, release.environment, "smoke", str(release)))
    return found


def _after_a_registration() -> list[Check]:
    """The newest package of each model whose risk asks for it somewhere: who registers it learns at once."""
    found = []
    newest = Package.objects.filter(number=F("model__last_number")).select_related("model").defer(*HEAVY)
    for want in Want.objects.filter(kind__in=ALONE).select_related("rule", "where"):
        rule = want.rule
        shown = Evidence.objects.filter(kind=want.kind, environment=want.where_id, digest=OuterRef("digest"))
        asked = Q(model=rule.model_id) if rule.model_id else Q(model__risk=rule.risk)
        for package in newest.filter(asked).exclude(Exists(shown)):
            found.append(Check(package, want.where, want.kind, f"registration of {package}"))
    return found


def in_traffic() -> Q:
    """Releases whose package has the traffic."""
    moved = Q(state=Release.State.WATCHING) | Q(state=Release.State.LIVE, retired_at=None)
    return moved & Q(package__isnull=False) & ~Q(strategy__in=ASIDE)


def since(release: Release) -> datetime:
    """Since when it has had the traffic."""
    return release.switched_at or release.ended_at or release.created_at


def _with_packages(wanted: Q) -> list[tuple[Release, Package]]:
    found = Release.objects.filter(wanted).select_related("package__model", "environment", "model")
    found = found.defer(*(f"package__{name}" for name in HEAVY))
    return [(release, release.package) for release in found if release.package]
