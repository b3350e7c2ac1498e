"""How the packages of a model share traffic, and how they are compared: settings of the model."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from releases import routes
from releases.actions import audit
from releases.agreement import rule_of
from releases.errors import Refused
from releases.models import Environment, MLModel, Route
from releases.rights import TRAFFIC, require

MOST_TOLERANCE = 60.0  # seconds


def compare(
    *,
    actor: User | None,
    model: MLModel,
    sticky: str | None = None,
    tolerance: float | None = None,
    agreement: dict[str, Any] | None = None,
) -> MLModel:
    """Say which input decides the package (empty: chance), by how many seconds a candidate may be slower, and when two
    answers agree (`releases.agreement.Rule`; what is left out keeps its value).

    What is None stays. A caller's own `X-Route-Key` goes before the input. Raises Forbidden, Refused: an input that a
    live package does not have, a tolerance that is no length of time, a rule that makes no sense.
    """
    require(actor, TRAFFIC)
    changes: dict[str, Any] = {}
    if tolerance is not None:
        if not 0 <= tolerance <= MOST_TOLERANCE:
            raise Refused(f"The tolerance lies between 0 and {MOST_TOLERANCE:.0f} seconds.", "tolerance")
        changes["tolerance"] = tolerance
    if sticky is not None:
        _must_be_known(model, sticky)
        changes["sticky"] = sticky
    if agreement is not None and (rule := _rule(model.agreement | agreement)) != _rule(model.agreement):
        changes["agreement"] = rule
    changes = {name: value for name, value in changes.items() if value != getattr(model, name)}
    if changes:
        _change(actor, model, changes)
    return model


def _rule(values: dict[str, Any]) -> dict[str, Any]:
    try:
        return rule_of(values).to_json()
    except (TypeError, ValueError) as error:
        raise Refused(str(error), "agreement") from error


def _must_be_known(model: MLModel, sticky: str) -> None:
    if not sticky:
        return
    for route in Route.objects.filter(model=model).exclude(stable=None).select_related("stable", "environment"):
        inputs = [field["name"] for field in route.stable.signature.get("inputs", ())] if route.stable else []
        if sticky not in inputs:
            where = f"Package {route.stable.number if route.stable else 0}, live in {route.environment.name},"
            raise Refused(f"{where} has no input {sticky!r}. It has: {', '.join(inputs) or 'none'}.", "sticky")


def _change(actor: User | None, model: MLModel, changes: dict[str, Any]) -> None:
    with transaction.atomic():
        details = {name: [getattr(model, name), value] for name, value in changes.items()}
        MLModel.objects.filter(pk=model.pk).update(**changes)
        for name, value in changes.items():
            setattr(model, name, value)
        audit.record("model.compare", model, actor=actor, model=model.name, details=details)
        for environment in Environment.objects.filter(routes__model=model):
            routes.publish(environment, f"{model.name}: how its packages are compared")
