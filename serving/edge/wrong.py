"""Wrong rows made from a right one: what a self-test shows to see that the device refuses as the server does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from serving.contract.signature import Signature

MOST = 40


def wrong_rows(signature: Signature, row: Any) -> list[Any]:
    """Return at most 40 rows, each wrong in one thing (one that is not refused is left out later)."""
    found = _tensors(row) if signature.tensor is not None else _columns(signature, dict(row))
    return [wrong for wrong, _ in zip(found, range(MOST), strict=False)]


def _columns(signature: Signature, row: dict[str, Any]) -> Iterator[Any]:
    yield {**row, "no such field": 1}
    for field in signature.inputs:
        yield {name: value for name, value in row.items() if name != field.name}
        yield {**row, field.name: None}
        yield {**row, field.name: "no such value"}
        if field.kind.python in (int, float):
            yield {**row, field.name: -1e300}
            yield {**row, field.name: 1e300}
        if field.kind.python is int:
            yield {**row, field.name: 1.5}
            yield {**row, field.name: 2**40}


def _tensors(row: Any) -> Iterator[Any]:
    yield []
    yield "text"
    yield [row]
    yield [*row, *row] if isinstance(row, list) else row
