"""A package's example as both protocols ask it, and what is compared of their answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from releases.known import apart, instances, plain
from releases.models import Package
from serving.contract import Field, Signature

__all__ = ["apart", "instances", "of_v2", "plain", "signature", "tensors"]
Row = dict[str, Any]


def signature(package: Package) -> Signature:
    return Signature.from_json(package.signature)


def tensors(package: Package, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the same rows as V2 writes them: one tensor for each input."""
    return [_tensor(field, [row.get(field.name) for row in rows]) for field in signature(package).inputs]


def of_v2(body: dict[str, Any]) -> list[Any]:
    """Return what is compared of a V2 answer: the labels, or the first output."""
    outputs = {output["name"]: output["data"] for output in body["outputs"]}
    found: list[Any] = outputs.get("label") or next(iter(outputs.values()))
    return found


def _tensor(field: Field, values: list[Any]) -> dict[str, Any]:
    shape = [len(values), *(field.shape or ([1] if field.named else []))]
    return {"name": field.name, "shape": shape, "datatype": field.kind.v2, "data": values}
