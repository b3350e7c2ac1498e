"""States of a model as tests want them, made by hand: what is live, what is on its way."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from releases.models import Environment, Package, Release, Route


def put_live(package: Package, environment: Environment, **columns: Any) -> Release:
    """Make a package live, as if its release had ended well; what was live becomes the way back."""
    now = timezone.now()
    route, _ = Route.objects.get_or_create(environment=environment, model=package.model, defaults={"changed_at": now})
    replaced = route.stable
    route.previous, route.stable, route.changed_at = replaced, package, now
    route.save()
    Release.objects.filter(environment=environment, model=package.model, retired_at=None).update(retired_at=now)
    values = {"state": "live", "weight": 100.0, "stable_weight": 0.0, "ended_at": now, "replaces": replaced}
    return _release(package, environment, values | columns)


def put_moving(package: Package, environment: Environment, **columns: Any) -> Release:
    """Make a release of the package that is being prepared."""
    route = Route.objects.filter(environment=environment, model=package.model).first()
    replaced = route.stable if route else None
    return _release(package, environment, {"state": "preparing", "replaces": replaced} | columns)


def _release(package: Package, environment: Environment, values: dict[str, Any]) -> Release:
    now = timezone.now()
    times = {"created_at": now, "state_since": now, "step_since": now, "strategy": "blue_green"}
    return Release.objects.create(package=package, model=package.model, environment=environment, **(times | values))
