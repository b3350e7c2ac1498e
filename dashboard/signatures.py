"""A signature in words: its fields with their rules, the difference of two, and a first example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serving.contract.fields import BOUNDS

TYPES = {
    "boolean": "true or false",
    "integer": "whole number",
    "long": "whole number",
    "float": "number",
    "double": "number",
    "string": "text",
}
SHOWN_VALUES = 12


def fields(signature: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return {name, type, rules, unit, description, required} of every input."""
    limits = (signature.get("metadata") or {}).get("constraints") or {}
    return [_field(spec, limits.get(spec.get("name") or "input") or {}) for spec in signature.get("inputs") or []]


def outputs(signature: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return {name, type} of every output."""
    return [_field(spec, {}) for spec in signature.get("outputs") or []]


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row {name, before, after} for every field of either, unchanged ones included."""
    old = {field["name"]: words(field) for field in fields(before)}
    new = {field["name"]: words(field) for field in fields(after)}
    return [{"name": name, "before": old.get(name), "after": new.get(name)} for name in {**old, **new}]


def words(field: Mapping[str, Any]) -> str:
    """Return one field as a phrase: `number, greater than 0, in miles`."""
    parts = [field["type"], *field["rules"], f"in {field['unit']}" if field["unit"] else ""]
    return ", ".join([part for part in parts if part] + ([] if field["required"] else ["optional"]))


def rules(limits: Mapping[str, Any]) -> list[str]:
    """Return the limits of a field in words: `at least 1`, `one of EWR, JFK, LGA`."""
    found = [f"{phrase} {limits[key]:g}" for key, phrase in BOUNDS.items() if limits.get(key) is not None]
    values = limits.get("values")
    if values:
        more = f" and {len(values) - SHOWN_VALUES} more" if len(values) > SHOWN_VALUES else ""
        found.append(f"one of {', '.join(map(str, values[:SHOWN_VALUES]))}{more}")
    return found


def _field(spec: Mapping[str, Any], limits: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": spec.get("name") or "input",
        "type": _type(spec),
        "kind": spec.get("type"),
        "rules": rules(limits),
        "unit": limits.get("unit", ""),
        "description": limits.get("description", ""),
        "required": spec.get("required", True),
    }


def _type(spec: Mapping[str, Any]) -> str:
    if spec.get("type") != "tensor":
        return TYPES.get(str(spec.get("type")), str(spec.get("type")))
    tensor = spec.get("tensor-spec") or {}
    shape = " × ".join(str(size) for size in (tensor.get("shape") or [])[1:])
    return f"{shape or 1} numbers ({tensor.get('dtype', 'float64')})"
