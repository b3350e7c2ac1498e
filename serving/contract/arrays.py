"""Whole arrays checked against the limits of a signature: no object per value until one of them is broken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from serving.contract.errors import MOST_DETAILS, ContractError, Detail
from serving.contract.fields import Field

# Whole numbers up to here survive becoming a floating-point number, and the other way round.
EXACT = {"float": 2**24, "double": 2**53}
WHOLE_EXACT = 2**53
Mask = np.ndarray


def refuse_broken(fields: Sequence[Field], values: np.ndarray, *, gaps: bool) -> None:
    """Raise ContractError with row, field and rule for what the fields do not allow.

    `values` has the shape (rows, values per row): one field for all of them, or one field per column. With `gaps`
    NaN stands for a value that was left out.
    """
    if len(fields) == 1:
        mask = broken(fields[0], values, gaps=gaps)
    else:
        masks = [broken(field, values[:, place], gaps=gaps) for place, field in enumerate(fields)]
        mask = None if all(found is None for found in masks) else _beside(masks, values.shape[0])
    if mask is not None and mask.any():
        raise ContractError(list(_details(fields, values, mask)), rows="rows")


def _beside(masks: list[Mask | None], rows: int) -> Mask:
    return np.column_stack([np.zeros(rows, bool) if mask is None else mask for mask in masks])


def broken(field: Field, values: np.ndarray, *, gaps: bool) -> Mask | None:
    """Return which values break a rule of the field; None when it has no rule that these could break."""
    if values.dtype == object:
        return _broken_texts(field, values)
    if values.dtype == bool:
        return None
    mask = _inexact(field, values)
    if (outside := _outside(field, values)) is not None:
        mask = outside if mask is None else mask | outside
    if field.values is not None:
        unlisted = ~np.isin(values, field.values)
        mask = unlisted if mask is None else mask | unlisted
    return mask & ~np.isnan(values) if gaps and mask is not None and values.dtype.kind == "f" else mask


def _inexact(field: Field, values: np.ndarray) -> Mask | None:
    """What is not finite, not whole where it must be, or would change on the way into the field's type."""
    if values.dtype.kind == "f":
        if field.kind.python is float:
            return np.asarray(~np.isfinite(values))
        with np.errstate(invalid="ignore"):
            return np.asarray((np.trunc(values) != values) | ~(np.abs(values) <= WHOLE_EXACT))
    if field.kind.python is int:
        return None
    exact = EXACT[field.type]
    return np.asarray((values > exact) | (values < -exact))


def _outside(field: Field, values: np.ndarray) -> Mask | None:
    """What is out of the field's limits, compared exactly: an FP32 against a limit as the number that it is."""
    low, high = field.least(), field.most()
    if low == -np.inf and high == np.inf:
        return None
    numbers = values.astype(np.float64) if values.dtype.kind == "f" else values
    below = numbers <= low if field.open_below() else numbers < low
    above = numbers >= high if field.open_above() else numbers > high
    return below | above


def _broken_texts(field: Field, values: np.ndarray) -> Mask | None:
    if field.values is None:
        return None
    allowed = {*field.values, None}
    return np.array([value not in allowed for value in values.ravel().tolist()], bool).reshape(values.shape)


def _details(fields: Sequence[Field], values: np.ndarray, mask: Mask) -> Iterator[Detail]:
    for at in islice(np.argwhere(mask.reshape(len(values), -1)), MOST_DETAILS):
        row, place = (int(index) for index in at)
        field = fields[place] if len(fields) > 1 else fields[0]
        rule = field.broken(_plain(field, values.reshape(len(values), -1)[row, place]))
        yield detail(fields, row, place, rule or f"is too large to become {field.kind.v2} without loss")


def _plain(field: Field, value: Any) -> Any:
    found = value.item() if isinstance(value, np.generic) else value
    whole = field.kind.python is int and isinstance(found, float) and found.is_integer()
    return int(found) if whole else found


def detail(fields: Sequence[Field], row: int, place: int, rule: str) -> Detail:
    """Return one broken rule: for a matrix by its column, for a tensor by the place of the value in its row."""
    if len(fields) > 1:
        return Detail(row=row, field=fields[place].name, rule=rule)
    return Detail(row=row, field=fields[0].name, rule=where(fields[0].shape or (), place) + rule)


def where(shape: Sequence[int], place: int) -> str:
    """Return `value 2 value 1 ` for the second list's first value in the row of a tensor, nothing for a column."""
    words = []
    for size in reversed(shape):
        place, at = divmod(place, size)
        words.append(f"value {at + 1} ")
    return "".join(reversed(words))
