"""People of every role, environments, packages and a gateway that answers as told."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, User

from releases import broker
from releases.actions import evidence, setup
from releases.intake import Accepted
from releases.models import Environment, MLModel, Package, Rule
from serving import exchange

SIGNATURE = {
    "inputs": [{"name": "distance", "type": "long", "required": True}],
    "outputs": [{"name": "minutes", "type": "double"}],
    "params": None,
    "metadata": {"constraints": {"distance": {"gt": 0}}},
}


def make_package(model: MLModel, number: int, **columns: object) -> Package:
    digest = "sha256:" + hashlib.sha256(f"{model.name} {number}".encode()).hexdigest()
    MLModel.objects.filter(pk=model.pk).update(last_number=number)
    values = {
        "digest": digest,
        "artefact": "sha256:" + hashlib.sha256(digest.encode()).hexdigest(),
        "format": "skops",
        "runtime": "onnx",
        "runtime_reason": "The ONNX answers are equal.",
        "signature": SIGNATURE,
        "manifest": [{"path": "model.skops", "size": 10, "sha256": "0" * 64}],
        "example": [{"distance": 500}],
        "sandbox": "bubblewrap",
        "size": 10,
    }
    made = Package.objects.create(model=model, number=number, **(values | columns))
    evidence.record(made.digest, "intake", "pass", reference="a test")
    return made


def accepted(content: str) -> Accepted:
    """What an intake says that takes everything: for tests of what comes after the proof."""
    digest = "sha256:" + hashlib.sha256(content.encode()).hexdigest()
    return Accepted(
        digest=digest,
        manifest=[],
        signature={},
        format="skops",
        runtime="onnx",
        runtime_reason="equal",
        onnx_digest=None,
        artefact=digest,
        size=1,
        example=[],
        provenance={},
        versions={},
        differences={},
        sandbox="none",
        steps=[],
    )


@pytest.fixture
def environments(db: None) -> dict[str, Environment]:
    """The seeded ones, which ask no suite of anybody: gates have tests of their own."""
    setup.first_start()
    Rule.objects.all().delete()
    return {environment.name: environment for environment in Environment.objects.all()}


@pytest.fixture
def person(environments: dict[str, Environment]) -> Callable[[str], User]:
    """Return a user who has one role, such as `person("developer")`."""

    def make(role: str) -> User:
        user, made = User.objects.get_or_create(username=role.replace(" ", "-"))
        if made:
            user.groups.add(Group.objects.get(name=role))
        return User.objects.get(pk=user.pk)

    return make


@pytest.fixture
def manager(person: Callable[[str], User]) -> User:
    return person("release manager")


@pytest.fixture
def model(environments: dict[str, Environment]) -> MLModel:
    return MLModel.objects.create(name="flight-eta")


@pytest.fixture
def packages(model: MLModel) -> list[Package]:
    return [make_package(model, number) for number in (1, 2, 3)]


class FakeGateway:
    """Heartbeats of one gateway that adopts what Redis holds when told to, or says why it cannot."""

    def __init__(self, name: str, *environments: str) -> None:
        self.name, self.environments = name, environments

    def adopt(self, errors: dict[str, str] | None = None, generation: int | None = None) -> None:
        states = {name: self._state(name, errors or {}, generation) for name in self.environments}
        beat = exchange.Heartbeat(self.name, "boot", 1, time.time(), states, int(time.time()), {}, "127.0.0.1:1")
        exchange.put_heartbeat(broker.client(), beat)

    def _state(self, name: str, errors: dict[str, str], generation: int | None) -> exchange.EnvironmentState:
        table = exchange.get_table(broker.client(), name)
        held = table.generation if table else 0
        return exchange.EnvironmentState(held if generation is None else generation, errors)


@pytest.fixture
def gateway(redis: object, environments: dict[str, Environment]) -> FakeGateway:
    return FakeGateway("all", *environments)
