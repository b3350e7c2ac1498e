"""Bring what is live in one environment into a copy of it, by releases of its own: history is never copied."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.contrib.auth.models import User

from releases.actions.releases import promote
from releases.errors import Conflict
from releases.models import Environment, Package, Release, Route


@dataclass
class Brought:
    """The releases that have begun, and in words what could not come."""

    releases: list[Release] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def bring(*, actor: User | None, source: Environment, target: Environment) -> Brought:
    """Start a release of every package that is live in `source`; one that a gate holds does not hold the others.

    Raises Forbidden.
    """
    found = Brought()
    live = Route.objects.filter(environment=source, stable__isnull=False).values("stable")
    for package in Package.objects.filter(pk__in=live).select_related("model").order_by("model__name"):
        try:
            reason = f"As in {source.name}, of which {target.name} is a copy"
            release = promote(actor=actor, package=package, environment=target, strategy="recreate", reason=reason)
            found.releases.append(release)
        except Conflict as error:
            found.refused.append(f"{package.model.name}: {error.message}")
    return found
