"""A package's example as both protocols ask it, and what is compared of their answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from releases.models import Package
from serving.contract import Field, Signature

Row = dict[str, Any]


def signature(package: Package) -> Signature:
    return Signature.from_json(package.signature)


def instances(package: Package, rows: Sequence[Row]) -> list[Any]:
    """Return rows as V1 writes them: objects, or the tensor alone where the only input has no name."""
    fields = signature(package).inputs
    return list(rows) if all(field.named for field in fields) else [row[fields[0].name] for row in rows]


def tensors(package: Package, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the same rows as V2 writes them: one tensor for each input."""
    return [_tensor(field, [row.get(field.name) for row in rows]) for field in signature(package).inputs]


def plain(prediction: Any) -> Any:
    """Return what is compared of one V1 prediction: the label of a class, or the number."""
    return prediction["label"] if isinstance(prediction, dict) and "label" in prediction else prediction


def of_v2(body: dict[str, Any]) -> list[Any]:
    """Return what is compared of a V2 answer: the labels, or the first output."""
    outputs = {output["name"]: output["data"] for output in body["outputs"]}
    found: list[Any] = outputs.get("label") or next(iter(outputs.values()))
    return found


def apart(one: Sequence[Any], other: Sequence[Any]) -> float:
    """Return the largest distance of two lists of answers, as a share of their size; infinite where classes differ."""
    if len(one) != len(other):
        return math.inf
    return max((_apart(a, b) for a, b in zip(one, other, strict=True)), default=0.0)


def _apart(one: Any, other: Any) -> float:
    numbers = all(type(value) in (int, float) for value in (one, other))
    if not numbers:
        return 0.0 if one == other else math.inf
    size = max(abs(one), abs(other))
    return abs(one - other) / size if size else 0.0


def _tensor(field: Field, values: list[Any]) -> dict[str, Any]:
    shape = [len(values), *(field.shape or ([1] if field.named else []))]
    return {"name": field.name, "shape": shape, "datatype": field.kind.v2, "data": values}
