"""States of a model as tests want them, made by hand: what is live, what is on its way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.utils import timezone

from releases import routes
from releases.models import Environment, MLModel, Package, Release, Route
from releases.tests.conftest import make_package
from serving.tests import forms
from serving.tests.builders import flight


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


def real_package(model: MLModel, environment: Environment, store: Path) -> Package:
    """Make package 1 of real files, which answers its own number, and put it live; `store` holds the artefacts."""
    store.mkdir()
    target = forms.package(store, 1)
    more = {"signature": flight().to_json(), "example": [forms.ROW]}
    made = make_package(model, 1, digest=target.digest, artefact=target.artefact, **more)
    put_live(made, environment)
    routes.publish(environment, "a test")
    return made


def put_moving(package: Package, environment: Environment, **columns: Any) -> Release:
    """Make a release of the package that is being prepared."""
    route = Route.objects.filter(environment=environment, model=package.model).first()
    replaced = route.stable if route else None
    return _release(package, environment, {"state": "preparing", "replaces": replaced} | columns)


def _release(package: Package, environment: Environment, values: dict[str, Any]) -> Release:
    now = timezone.now()
    times = {"created_at": now, "state_since": now, "step_since": now, "strategy": "blue_green"}
    return Release.objects.create(package=package, model=package.model, environment=environment, **(times | values))
