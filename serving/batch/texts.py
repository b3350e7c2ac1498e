"""Answers as the cells of a table: numbers as REST writes them, labels quoted where CSV asks for it."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from serving.batch.plan import Outputs


@dataclass(frozen=True)
class Made:
    """The answers to the rows at `places` of a chunk, in order, each with the number of the package that gave it.

    `values` has the shape (rows, width); or there are `labels`, with `probabilities` (rows, classes) in the order of
    the plan's classes, NaN where a package does not know the class.
    """

    places: np.ndarray
    packages: np.ndarray
    values: np.ndarray | None = None
    labels: list[Any] | None = None
    probabilities: np.ndarray | None = None


def cells(made: Made, outputs: Outputs) -> list[list[bytes]]:
    """Return the columns that a line of CSV gets behind its own: the answer, and the package."""
    columns = []
    if made.values is not None:
        columns = [_numbers(made.values[:, at]) for at in range(outputs.width)]
    else:
        columns = [_labels(made.labels or [])]
        if made.probabilities is not None:
            columns += [_numbers(made.probabilities[:, at]) for at in range(made.probabilities.shape[1])]
    return [*columns, _numbers(made.packages)]


def _numbers(values: np.ndarray) -> list[bytes]:
    """Return the shortest texts that mean exactly these numbers; nothing for NaN."""
    if not len(values):
        return []
    cells = msgspec.json.encode(values.tolist())[1:-1].split(b",")
    return [b"" if cell == b"null" else cell for cell in cells] if values.dtype.kind == "f" else cells


def _labels(labels: list[Any]) -> list[bytes]:
    known = {label: _quoted(label) for label in set(labels)}
    return [known[label] for label in labels]


def _quoted(label: Any) -> bytes:
    sink = io.StringIO()
    csv.writer(sink, lineterminator="").writerow([label, ""])
    return sink.getvalue()[:-1].encode()


def header(columns: list[str], more: list[str], ending: str) -> bytes:
    """Return the first line of a CSV file, with its end."""
    sink = io.StringIO()
    csv.writer(sink, lineterminator=ending).writerow([*columns, *more])
    return sink.getvalue().encode()
