"""Rows checked against a signature: whole columns at once, and by hand what is not as it should be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from serving.batch.plan import Wrong
from serving.contract import Batch, Decoder, Field
from serving.contract.arrays import broken
from serving.contract.batch import Layout

# Of one row so many broken rules are named.
MOST_RULES = 20
_NONE = np.empty(0, np.int64)
Cells = Sequence[Any]


@dataclass(frozen=True)
class Read:
    """Rows that keep the contract, as a batch, at the places `good` of what was read; and what is wrong with the rest.

    The rows of `wrong` are places too, from 0.
    """

    batch: Batch
    good: np.ndarray
    wrong: list[Wrong]


def by_hand(decoder: Decoder, rows: Iterable[Cells | str]) -> Read:
    """Check each row's values in the order of the fields, None where there is none; a text refuses a row."""
    kept: list[Cells] = []
    good: list[int] = []
    wrong: list[Wrong] = []
    for place, cells in enumerate(rows):
        rules = [("", cells)] if isinstance(cells, str) else rules_of(decoder.fields, cells)
        if not rules:
            kept.append(cells)
            good.append(place)
        wrong += [Wrong(place, field, rule) for field, rule in rules]
    if not kept:
        return Read(Batch(0, {field.name: np.empty(0, field.kind.dtype) for field in decoder.fields}), _NONE, wrong)
    return Read(Batch.laid_out(Layout(decoder.fields), kept), np.array(good, np.int64), wrong)


def rules_of(fields: Sequence[Field], cells: Cells) -> list[tuple[str, str]]:
    """Return the rules that one row breaks, with their fields."""
    found = ((field.name, field.broken(value)) for field, value in zip(fields, cells, strict=True))
    return [(name, rule) for name, rule in found if rule][:MOST_RULES]


def columns(
    decoder: Decoder, found: dict[str, np.ndarray], missing: dict[str, np.ndarray], cells: Callable[[int], Cells]
) -> Read:
    """Check whole columns, one value a row, in types that become their fields' without loss.

    `missing` says where a column has no value; there a number is NaN and a text None. A row that seems to break a rule
    is looked at by hand, by its `cells`, and that look decides.
    """
    rows = len(next(iter(found.values())))
    suspect = np.zeros(rows, bool)
    for field in decoder.fields:
        if field.required and field.name in missing:
            suspect |= missing[field.name]
        if (mask := broken(field, found[field.name], gaps=not field.required)) is not None:
            suspect |= mask
    bad = np.zeros(rows, bool)
    wrong: list[Wrong] = []
    for place in np.flatnonzero(suspect).tolist():
        row = cells(place)
        rules = rules_of(decoder.fields, row)
        wrong += [Wrong(place, name, rule) for name, rule in rules]
        bad[place] = bool(rules)
        if not rules:
            _put(decoder.fields, found, place, row)
    good = np.flatnonzero(~bad)
    kept = {name: values[good] if len(good) < rows else values for name, values in found.items()}
    made = {field.name: kept[field.name].astype(field.kind.dtype, copy=False) for field in decoder.fields}
    return Read(Batch(len(good), made), good, wrong)


def _put(fields: Sequence[Field], found: dict[str, np.ndarray], place: int, row: Cells) -> None:
    for field, value in zip(fields, row, strict=True):
        column = found[field.name]
        column[place] = np.nan if value is None and column.dtype.kind == "f" else value
