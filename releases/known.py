"""What a package is known to answer to its example, and how far another answer is from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from releases.models import Package
from serving.contract import Signature

Row = dict[str, Any]


def instances(package: Package, rows: Sequence[Row]) -> list[Any]:
    """Return rows as V1 writes them: objects, or the tensor alone where the only input has no name."""
    fields = Signature.from_json(package.signature).inputs
    return list(rows) if all(field.named for field in fields) else [row[fields[0].name] for row in rows]


def plain(prediction: Any) -> Any:
    """Return what is compared of one V1 prediction: the label of a class, or the number."""
    return prediction["label"] if isinstance(prediction, dict) and "label" in prediction else prediction


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
