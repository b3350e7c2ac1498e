"""Try a model: what was chosen, what is loaded there, and what the gateway answers to a row typed by hand."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from django.http import QueryDict

from dashboard import endpoints
from releases.actions.keys import internal_secret
from releases.models import Environment, MLModel, Package, Route
from releases.queries.environments import Served, newest_table, served
from testing.client import GatewayClient, GatewayError

TIMEOUT = 10.0


@dataclass(frozen=True)
class Chosen:
    """What the address asks for. `package` is the one whose signature makes the form; `pin` is its number if pinned."""

    model: MLModel
    environment: Environment
    compare: Environment | None
    loaded: list[Served]
    package: Package | None
    pin: int | None

    @property
    def query(self) -> str:
        """The same choice as the query of an address."""
        query = QueryDict(mutable=True)
        query.update({"model": self.model.name, "environment": self.environment.name})
        if self.compare:
            query["compare"] = self.compare.name
        if self.pin:
            query["package"] = str(self.pin)
        return query.urlencode()


@dataclass(frozen=True)
class Tried:
    """What one environment answered: predictions, or an error in words."""

    environment: str
    predictions: list[Any] = field(default_factory=list)
    package: int | None = None
    digest: str | None = None
    seconds: float | None = None
    request_id: str | None = None
    error: str = ""
    status: int | None = 200
    details: list[dict[str, Any]] = field(default_factory=list)

    @property
    def only(self) -> Any:
        """The prediction when there is one row, else None."""
        return self.predictions[0] if len(self.predictions) == 1 else None

    @property
    def number(self) -> str:
        """A single number, with six meaning digits; empty for anything else."""
        one = self.only
        is_number = isinstance(one, int | float) and not isinstance(one, bool)
        return f"{one:,.6g}" if is_number else ""

    @property
    def label(self) -> str:
        return str(self.only["label"]) if isinstance(self.only, dict) and "label" in self.only else ""

    @property
    def chances(self) -> list[tuple[str, float]]:
        """The classes and their probabilities, most probable first."""
        given = self.only.get("probabilities", {}) if isinstance(self.only, dict) else {}
        return sorted(given.items(), key=lambda pair: -pair[1]) if isinstance(given, dict) else []

    @property
    def raw(self) -> str:
        return json.dumps(self.predictions, indent=2, ensure_ascii=False)


def choose(given: QueryDict) -> Chosen | None:
    """Return the choice of the address, completed by what is live; None when there is no model yet.

    Raises MLModel.DoesNotExist and Environment.DoesNotExist for names that are wrong.
    """
    model = MLModel.objects.get(name=given["model"]) if given.get("model") else _first_model()
    if model is None:
        return None
    name = given.get("environment")
    environment = Environment.objects.get(name=name) if name else _last_environment(model)
    other = given.get("compare")
    compare = Environment.objects.get(name=other) if other and other != environment.name else None
    loaded = [each for each in served(newest_table(environment)) if each.model == model.name]
    pin = _pin(given.get("package", ""), loaded)
    wanted = pin or max(loaded, key=lambda each: each.weight, default=None)
    number = wanted if isinstance(wanted, int) else wanted.package if wanted and wanted.weight else None
    package = Package.objects.filter(model=model, number=number).first() if number else None
    return Chosen(model, environment, compare, loaded, package, pin)


def ask(chosen: Chosen, environment: Environment, instances: list[Any]) -> Tried:
    """Send the rows to the environment's gateway with Slipway's own key, as a client would."""
    base = endpoints.inner(environment.name)
    if base is None:
        return Tried(environment.name, error="No gateway serves this environment (GATEWAYS).", status=None)
    pin = chosen.pin if environment == chosen.environment else None
    try:
        answer = _client(base, environment.name).predict_v1(chosen.model.name, instances, package=pin)
        found = answer.predictions
        if not isinstance(found, list):
            raise TypeError
    except GatewayError as error:
        return Tried(
            environment.name,
            error=error.sentence,
            status=error.status,
            request_id=error.request_id,
            details=error.details,
        )
    except (KeyError, TypeError, ValueError):
        return Tried(environment.name, error="The gateway's answer has no predictions.", status=None)
    return Tried(environment.name, found, answer.package, answer.digest, answer.seconds, answer.request_id)


def difference(answers: list[Tried]) -> str:
    """Return how far apart two answers are, in words; empty where there is nothing to compare."""
    if len(answers) != 2 or any(answer.error for answer in answers):
        return ""
    left, right = answers
    if left.predictions == right.predictions:
        return "Both answer the same."
    if left.number and right.number:
        return _apart(float(left.only), float(right.only), right.environment)
    if left.label and right.label:
        return "The same class, other probabilities." if left.label == right.label else "They name different classes."
    return "The answers differ."


def elsewhere(chosen: Chosen) -> list[str]:
    """Return the environments in which the model is live, for a page that has nothing to show."""
    routes = Route.objects.filter(model=chosen.model, stable__isnull=False)
    return list(routes.values_list("environment__name", flat=True))


def _apart(left: float, right: float, where: str) -> str:
    gap = right - left
    share = f" ({abs(gap / left) * 100:.2g} %)" if left and math.isfinite(gap / left) else ""
    return f"{where} answers {abs(gap):,.4g}{share} {'more' if gap > 0 else 'less'}."


def _pin(text: str, loaded: list[Served]) -> int | None:
    """A package that is not loaded there cannot be asked; then the question goes as it is routed."""
    return next((each.package for each in loaded if str(each.package) == text), None)


def _first_model() -> MLModel | None:
    live = MLModel.objects.filter(routes__stable__isnull=False).first()
    return live or MLModel.objects.first()


def _last_environment(model: MLModel) -> Environment:
    live = Environment.objects.filter(routes__model=model, routes__stable__isnull=False).last()
    found = live or Environment.objects.last()
    if found is None:
        raise Environment.DoesNotExist
    return found


def _client(base: str, environment: str) -> GatewayClient:
    return _kept(base, environment, internal_secret(environment))


@lru_cache(maxsize=16)
def _kept(base: str, environment: str, key: str) -> GatewayClient:
    """Keep the connection to each gateway open, so that the time shown is the answer's alone."""
    return GatewayClient(base, environment, key=key, timeout=TIMEOUT, trust=endpoints.trust())
