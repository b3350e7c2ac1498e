"""A signature as JSON Schema, for the playground and for the description of the API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from serving.contract.fields import Field

JSON_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}
KEYWORDS = {"gt": "exclusiveMinimum", "ge": "minimum", "lt": "exclusiveMaximum", "le": "maximum"}


def request(fields: Sequence[Field]) -> dict[str, Any]:
    """Return the schema of `{"instances": [row, …]}`."""
    rows = {"type": "array", "minItems": 1, "items": row(fields)}
    return {
        "type": "object",
        "properties": {"instances": rows},
        "required": ["instances"],
        "additionalProperties": False,
    }


def row(fields: Sequence[Field]) -> dict[str, Any]:
    """Return the schema of one row: an object of columns, or the nested list of a tensor."""
    if len(fields) == 1 and fields[0].shape is not None:
        return _nested(fields[0], fields[0].shape)
    return {
        "type": "object",
        "properties": {field.name: _scalar(field) for field in fields},
        "required": [field.name for field in fields if field.required],
        "additionalProperties": False,
    }


def _nested(field: Field, shape: tuple[int, ...]) -> dict[str, Any]:
    if not shape:
        return _scalar(field)
    return {"type": "array", "minItems": shape[0], "maxItems": shape[0], "items": _nested(field, shape[1:])}


def _scalar(field: Field) -> dict[str, Any]:
    name = JSON_TYPES[field.kind.python]
    found: dict[str, Any] = {"type": name if field.required else [name, "null"]}
    if field.kind.python is int:
        found |= {"minimum": field.least(), "maximum": field.most()}
    else:
        found |= {word: getattr(field, key) for key, word in KEYWORDS.items() if getattr(field, key) is not None}
    if field.values is not None:
        found["enum"] = list(field.values) + ([] if field.required else [None])
    if field.description or field.unit:
        found["description"] = f"{field.description} ({field.unit})".strip() if field.unit else field.description
    return found
