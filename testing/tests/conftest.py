"""People, environments and packages as everywhere; suites that do as they are told; a gateway without a network."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from django.core.cache import cache

from releases.models import Environment, Package
from releases.tests.conftest import environments, gateway, manager, model, packages, person  # noqa: F401
from releases.tests.scenes import put_live
from testing import runner, target
from testing.client import GatewayClient
from testing.models import Run
from testing.suites import SUITES
from testing.suites.base import LeavesNothing, Report, Subject

Act = Callable[[Subject, Report], None]


@dataclass(frozen=True)
class NoSettings:
    pass


class Told(LeavesNothing):
    """A suite that does what a test tells it."""

    kind, label, summary, queue, seconds, expected = "smoke", "Smoke", "A test's.", "long", 60.0, 1
    Settings = NoSettings

    def __init__(self, act: Act) -> None:
        self.act = act

    def run(self, subject: Subject, report: Report) -> None:
        self.act(subject, report)


@pytest.fixture(autouse=True)
def no_guesses() -> None:
    """Wrong passwords of one test are not counted in the next."""
    cache.clear()


@pytest.fixture
def live(packages: list[Package], environments: dict[str, Environment]) -> Package:  # noqa: F811
    """Package 1, live in staging."""
    put_live(packages[0], environments["staging"])
    return packages[0]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[Any, ...]]]:
    """What is handed to workers: nothing runs by itself."""
    found: list[tuple[str, tuple[Any, ...]]] = []
    monkeypatch.setattr("testing.actions.enqueue", lambda name, *args, **more: found.append((name, args)))
    return found


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[[Act], None]:
    """Put a suite in the place of smoke."""
    monkeypatch.setattr(runner, "BEAT_SECONDS", 0.02)
    return lambda act: monkeypatch.setitem(SUITES, "smoke", Told(act))


@pytest.fixture
def queued(live: Package, environments: dict[str, Environment]) -> Run:  # noqa: F811
    from testing import actions

    return actions.start(actor=None, package=live, environment=environments["staging"], kind="smoke", cause="a test")


class Answers:
    """A gateway of two environments, by number of the package; `answer` gives its prediction of a row."""

    def __init__(self, packages: list[Package]) -> None:  # noqa: F811
        self.by_number = {package.number: package for package in packages}
        self.routes = {"staging": 1, "production": 2}
        self.answer: Callable[[int, dict[str, Any]], Any] = lambda number, row: row["distance"] * number
        self.down = ""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            return httpx.Response(503, json={"error": self.down})
        if request.method == "GET":
            return httpx.Response(200, json={"name": "flight-eta", "versions": [str(self.routes["staging"])]})
        environment = request.url.path.split("/")[1]
        number = int(request.headers.get("X-Package", self.routes[environment]))
        rows = json.loads(request.content)["instances"]
        headers = {"X-Package": str(number), "X-Package-Digest": self.by_number[number].digest}
        body = {"predictions": [self.answer(number, row) for row in rows]}
        return httpx.Response(200, json=body, headers=headers)


@pytest.fixture
def answers(packages: list[Package], monkeypatch: pytest.MonkeyPatch) -> Answers:  # noqa: F811
    found = Answers(packages)

    def client(environment: str, **_: Any) -> GatewayClient:
        return GatewayClient("http://gateway", environment, transport=httpx.MockTransport(found))

    monkeypatch.setattr(target, "client", client)
    return found
