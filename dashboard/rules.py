"""What environments ask of packages, in words."""

from __future__ import annotations

from typing import Any

from releases import gates
from releases.models import Environment, MLModel, Rule
from releases.wants import KINDS


def of_model(model: MLModel, environment: Environment) -> dict[str, Any]:
    """Return what one environment asks of a model's packages."""
    rule = gates.rule_for(model, environment)
    own = bool(rule and rule.model_id)
    return {"environment": environment, "own": own, "words": words(rule, environment)}


def words(rule: Rule | None, environment: Environment) -> list[str]:
    """Return a rule as a list of conditions; the order and the intake hold everywhere."""
    earlier = gates.before(environment)
    found = [f"live in {earlier.name} before"] if environment.needs_previous and earlier else []
    if rule is None:
        return found
    if rule.least_hours and earlier:
        found.append(f"live in {earlier.name} for {rule.least_hours:g} h")
    return found + [_want(want) for want in rule.wants.select_related("where")]


def _want(want: Any) -> str:
    age = f", not older than {want.most_days} days" if want.most_days else ""
    return f"{KINDS.get(want.kind, want.kind)} in {want.where.name}{age}"
