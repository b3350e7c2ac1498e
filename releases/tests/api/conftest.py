"""Callers of every role, each with a token of their own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from releases.actions import keys
from releases.models import Environment, Package, Release, Route


@pytest.fixture
def caller(person: Callable[[str], User]) -> Callable[[str], APIClient]:
    """Return a client that calls as one role, such as `caller("developer")`."""

    def make(role: str) -> APIClient:
        _, secret = keys.issue_token(user=person(role), name=f"test of {role}")
        return APIClient(headers={"Authorization": f"Token {secret}"})

    return make


@pytest.fixture
def make_live(environments: dict[str, Environment]) -> Callable[..., Release]:
    """Put a package live by hand, as if its release had ended well."""

    def make(package: Package, environment: str = "dev", **columns: object) -> Release:
        now, place = timezone.now(), environments[environment]
        Route.objects.update_or_create(
            environment=place, model=package.model, defaults={"stable": package, "changed_at": now}
        )
        times = {"created_at": now, "state_since": now, "step_since": now, "ended_at": now}
        values = {"strategy": "blue_green", "state": "live", "weight": 100.0, "stable_weight": 0.0}
        return Release.objects.create(
            model=package.model, package=package, environment=place, **(times | values | columns)
        )

    return make


@pytest.fixture
def manager_calls(caller: Callable[[str], APIClient]) -> APIClient:
    return caller("release manager")


@pytest.fixture
def admin_calls(caller: Callable[[str], APIClient]) -> APIClient:
    return caller("admin")
