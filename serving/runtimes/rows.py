"""An answer row by row, in the words of the V1 protocol: what callers, files, streams and devices get to see."""

from __future__ import annotations

from typing import Any

from serving.runtimes.base import Answer

LABEL, PROBABILITIES = "label", "probabilities"


def predictions(answer: Answer) -> list[Any]:
    """Return one JSON value per row: numbers, or a label with its probabilities by class."""
    return answer.once(_rows)


def _rows(answer: Answer) -> list[Any]:
    if answer.values is not None:
        return answer.plain()
    labels = answer.labels or []
    if answer.probabilities is None:
        return [{LABEL: label} for label in labels]
    rows = zip(labels, answer.once(by_class), strict=True)
    return [{LABEL: label, PROBABILITIES: row} for label, row in rows]


def by_class(answer: Answer) -> list[dict[str, float]]:
    """Return each row's probabilities by the names of the classes."""
    names = [str(name) for name in answer.classes or []]
    return [dict(zip(names, row, strict=True)) for row in answer.plain()]
