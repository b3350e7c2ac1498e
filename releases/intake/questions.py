"""The inputs of a proof: the example, each category, the example's neighbourhood, and rows drawn from the signature."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from serving.contract import Decoder, Field

Row = dict[str, Any]
DRAWN, NEAR, SEED = 2000, 200, 20130101


def ask(decoder: Decoder, example: Sequence[Mapping[str, Any]], known: Mapping[str, list[Any]]) -> dict[str, list[Row]]:
    """Rows that the signature accepts, by what they are; the same for the same package."""
    rng = np.random.default_rng(SEED)
    groups = {"example": [dict(row) for row in example], "categories": _categories(decoder, example, known)}
    seen = [row for rows in groups.values() for row in rows]
    groups["near"] = [_near(decoder.fields, seen[i], rng) for i in rng.integers(0, len(seen), NEAR)]
    groups["missing"] = [{**example[0], item.name: None} for item in decoder.fields if not item.required]
    groups["drawn"] = decoder.signature.draw(rng, DRAWN, seen)
    return groups


def texts(decoder: Decoder) -> list[Field]:
    """The inputs that hold one text each."""
    return [item for item in decoder.fields if item.type == "string" and item.shape is None]


def _categories(decoder: Decoder, example: Sequence[Mapping[str, Any]], known: Mapping[str, list[Any]]) -> list[Row]:
    """The first example row once for each category of each text input: listed, learnt, or seen in the example."""
    found: list[Row] = []
    for item in texts(decoder):
        values = [*(item.values or known.get(item.name) or []), *(row.get(item.name) for row in example)]
        allowed = dict.fromkeys(value for value in values if isinstance(value, str) and item.broken(value) is None)
        found += [{**example[0], item.name: value} for value in allowed]
    return found


def _near(fields: Sequence[Field], row: Mapping[str, Any], rng: np.random.Generator) -> Row:
    """The row with its numbers moved a little: without limits the drawn rows may all fall far from what is usual."""
    return {item.name: _moved(item, row[item.name], rng) for item in fields if item.name in row}


def _moved(item: Field, value: Any, rng: np.random.Generator) -> Any:
    if isinstance(value, list):
        return [_moved(item, part, rng) for part in value]
    if type(value) is float or (type(value) is int and item.kind.python is float):
        other: Any = float(np.float32(value * (1 + 0.25 * rng.standard_normal())))
    elif type(value) is int:
        other = value + int(rng.integers(-3, 3, endpoint=True))
    else:
        return value
    return value if item.broken(other) else other
