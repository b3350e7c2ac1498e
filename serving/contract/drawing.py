"""Rows drawn at random that a signature accepts: for warming a model and for proving two forms of it equal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.random import Generator

from serving.contract.fields import Field

WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "été", "it's")


def rows(fields: Sequence[Field], rng: Generator, n: int, like: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return n rows by field name; every value meets its field's limits."""
    seen = {field.name: [row[field.name] for row in like if field.name in row] for field in fields}
    columns = {field.name: _column(field, rng, n, seen[field.name]) for field in fields}
    return [{name: column[i] for name, column in columns.items()} for i in range(n)]


def _column(field: Field, rng: Generator, n: int, seen: list[Any]) -> list[Any]:
    if field.shape is None:
        return _scalars(field, rng, n, seen)
    size = math.prod(field.shape)
    flat = _scalars(field, rng, n * size, [])
    return list(np.array(flat, dtype=object).reshape((n, *field.shape)).tolist())


def _scalars(field: Field, rng: Generator, n: int, seen: list[Any]) -> list[Any]:
    if field.type == "boolean":
        return [bool(value) for value in rng.integers(0, 2, n)]
    if field.values is not None:
        return _choose(field.values, rng, n)
    if field.type == "string":
        return _choose([value for value in seen if isinstance(value, str)] or WORDS, rng, n)
    low, high = span(field, [float(value) for value in seen if type(value) in (int, float)])
    return _whole(low, high, rng, n) if field.kind.python is int else _real(field, low, high, rng, n)


def _choose(values: Sequence[Any], rng: Generator, n: int) -> list[Any]:
    return [values[i] for i in rng.integers(0, len(values), n)]


def span(field: Field, seen: list[float]) -> tuple[float, float]:
    """The range to draw from: the limits, where there are any, else a little more than what the example holds."""
    least, most = field.least(), field.most()
    spread = (max(seen) - min(seen)) or abs(seen[0]) or 1.0 if seen else 1000.0
    start = min(seen) if seen else min(0.0, most)
    low = least if (field.gt, field.ge) != (None, None) else max(least, start - spread / 4)
    high = most if (field.lt, field.le) != (None, None) else min(most, max([*seen, low]) + spread / 4)
    return (low, high) if low <= high else (least, least)


def _whole(low: float, high: float, rng: Generator, n: int) -> list[int]:
    # Python's own integers: 64-bit limits do not survive a trip through floating point.
    least, most = math.ceil(low), math.floor(high)
    return [int(value) for value in rng.integers(least, max(least, most), n, endpoint=True)]


def _real(field: Field, low: float, high: float, rng: Generator, n: int) -> list[float]:
    # Weighed, not low + u * (high - low): that would overflow between the widest limits.
    values = [low * (1 - u) + high * u for u in rng.random(n).tolist()]
    inside = low / 2 + high / 2
    drawn = [value if field.broken(value) is None else inside for value in values]
    return [float(np.float32(value)) if field.broken(float(np.float32(value))) is None else value for value in drawn]
