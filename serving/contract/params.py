"""The `params` of an MLflow request, against the parameters that the signature declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# MLflow takes whole numbers for fractional ones and nothing else for anything else.
TYPES: dict[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "string": (str,),
    "datetime": (str,),
}


def problem(declared: Sequence[Mapping[str, Any]] | None, given: Any) -> str | None:
    """Return the rule that the parameters break, or None; unknown ones are ignored, as MLflow ignores them."""
    if given is None:
        return None
    if not isinstance(given, dict):
        return "params must be an object"
    for spec in declared or ():
        name = str(spec.get("name"))
        if (value := given.get(name)) is not None and (rule := _broken(spec, value)):
            return f"params.{name}: {rule}"
    return None


def _broken(spec: Mapping[str, Any], value: Any) -> str | None:
    kind = str(spec.get("type"))
    if kind not in TYPES:
        return None
    if spec.get("shape") is None:
        return None if type(value) in TYPES[kind] else f"must be of the type {kind}"
    if isinstance(value, list) and all(type(item) in TYPES[kind] for item in value):
        return None
    return f"must be a list of the type {kind}"
