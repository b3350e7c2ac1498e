"""The people, environments and packages of the domain's tests, and a signed-in client for each role."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from releases.queries import glance
from releases.tests.conftest import (  # noqa: F401 - fixtures
    FakeGateway,
    environments,
    gateway,
    make_package,
    manager,
    model,
    packages,
    person,
)


@pytest.fixture
def no_redis(settings: Settings) -> Iterator[None]:
    """Nothing listens where Redis should be."""
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    glance.forget()
    yield
    glance.forget()


@pytest.fixture
def signed_in(person: Callable[[str], User]) -> Callable[[str], Client]:  # noqa: F811 - a fixture
    """Return a client of somebody who has one role, such as `signed_in("developer")`."""

    def make(role: str) -> Client:
        client = Client()
        client.force_login(person(role), backend="django.contrib.auth.backends.ModelBackend")
        return client

    return make
