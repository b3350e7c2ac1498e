"""A signature as JSON Schema: what V1 and V2 take, for the description of the API and for those who generate requests.

What JSON Schema cannot say (that data fits its shape, that every column is there) is said in words.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any

from serving.contract import expected
from serving.contract.batch import MOST_ROWS
from serving.contract.expected import Expected
from serving.contract.fields import Field

JSON_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}
PARAMETERS = {
    "type": "object",
    "additionalProperties": {"type": ["string", "number", "boolean"]},
    "description": "Flat; names that are not known here are ignored.",
}


def request(fields: Sequence[Field], outputs: Sequence[str] = ()) -> dict[str, Any]:
    """Return the schema of a V1 request, `{"instances": [row, …]}`; `outputs` are those that it may ask for."""
    forms = [{"type": "array", "minItems": 1, "maxItems": MOST_ROWS, "items": form} for form in rows(fields)]
    found: dict[str, Any] = {
        "type": "object",
        "properties": {"instances": _any(forms)},
        "required": ["instances"],
        "additionalProperties": False,
    }
    if outputs:
        names = {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"enum": list(outputs)}}
        found["properties"]["parameters"] = {"type": "object", "properties": {"outputs": names}}
    return found


def rows(fields: Sequence[Field]) -> list[dict[str, Any]]:
    """Return the schemas of a row: an object by name, and a list by place."""
    first = fields[0]
    if first.shape is not None:
        nested = _nested(first, first.shape)
        return [_object({first.name: nested}, [first.name]), nested] if first.named else [nested]
    by_name = _object({item.name: scalar(item) for item in fields}, [item.name for item in fields if item.required])
    least = max((place + 1 for place, item in enumerate(fields) if item.required), default=0)
    by_place = {"type": "array", "prefixItems": [scalar(item) for item in fields], "items": False, "minItems": least}
    return [by_name, {**by_place, "maxItems": len(fields)}]


def tensors(fields: Sequence[Field]) -> dict[str, Any]:
    """Return the schema of a V2 request."""
    matrix = expected.matrix(fields)
    least = max(1, sum(item.required for item in fields))
    columns = _any([_tensor(item) for item in expected.each(fields)])
    forms = [{"type": "array", "minItems": least, "maxItems": len(fields), "items": columns}]
    if matrix is not None:
        forms.append({"type": "array", "minItems": 1, "maxItems": 1, "items": _tensor(matrix)})
    output = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "parameters": PARAMETERS},
        "required": ["name"],
    }
    return {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "inputs": _any(forms),
            "outputs": {"type": "array", "minItems": 1, "items": output},
            "parameters": PARAMETERS,
        },
        "required": ["inputs"],
        "description": "Every required column once; the product of a shape is the number of its data, flat or nested.",
    }


def _tensor(tensor: Expected) -> dict[str, Any]:
    alike = len({(item.type, item.required) for item in tensor.fields}) == 1
    values = _bare(tensor.fields[0]) if alike else {"type": ["number", "null"]}
    if len(tensor.fields) == 1:
        values = scalar(tensor.fields[0])
    first = {"type": "integer", "minimum": 1, "maximum": MOST_ROWS}
    shapes = [_shape([first, *({"const": size} for size in tensor.shape)])]
    if tensor.column:
        shapes.append(_shape([first, {"const": 1}]))
    nested = values
    for size in reversed(tensor.shape or (1,)):
        nested = {"type": "array", "minItems": size, "maxItems": size, "items": nested}
    properties = {
        "name": {"const": tensor.name},
        "shape": _any(shapes),
        "datatype": {"enum": sorted(tensor.fits - {"FP16"}, key=lambda name: (name != tensor.datatype, name))},
        "data": _any([{"type": "array", "items": values}, {"type": "array", "items": nested}]),
        "parameters": PARAMETERS,
    }
    return {"type": "object", "properties": properties, "required": ["name", "shape", "datatype", "data"]}


def _shape(sizes: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "array", "prefixItems": sizes, "items": False, "minItems": len(sizes), "maxItems": len(sizes)}


def _any(forms: list[dict[str, Any]]) -> dict[str, Any]:
    return forms[0] if len(forms) == 1 else {"anyOf": forms}


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _nested(field: Field, shape: tuple[int, ...]) -> dict[str, Any]:
    if not shape:
        return scalar(field)
    return {"type": "array", "minItems": shape[0], "maxItems": shape[0], "items": _nested(field, shape[1:])}


def scalar(field: Field) -> dict[str, Any]:
    """Return the schema of one value, with its limits, its unit and its description."""
    found = _bare(field) | _limits(field)
    if field.values is not None:
        found["enum"] = list(field.values) + ([] if field.required else [None])
    if field.description or field.unit:
        found["description"] = f"{field.description} ({field.unit})".strip() if field.unit else field.description
    return found


def _bare(field: Field) -> dict[str, Any]:
    name = JSON_TYPES[field.kind.python]
    return {"type": name if field.required else [name, "null"]}


def _limits(field: Field) -> dict[str, Any]:
    """The narrowest limits on both sides, those of the type where the signature gives none."""
    if field.kind.python not in (int, float):
        return {}
    low = field.least() if math.isfinite(field.least()) else -sys.float_info.max
    high = field.most() if math.isfinite(field.most()) else sys.float_info.max
    return {
        "exclusiveMinimum" if field.open_below() else "minimum": low,
        "exclusiveMaximum" if field.open_above() else "maximum": high,
    }
