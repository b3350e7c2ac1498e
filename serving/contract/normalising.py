"""MLflow's leniency without its losses: values become their column's type where that changes nothing, then the strict
check follows."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET

from serving.contract import compiling
from serving.contract.batch import Batch, Layout, refuse_many
from serving.contract.errors import MOST_DETAILS, ContractError, Detail, whole
from serving.contract.fields import FLOAT_MOST, Field

ROWS = "rows"
# No number needs more digits to be written exactly, and longer texts would cost time.
LONGEST_NUMBER = 1100
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z", re.ASCII)
WHOLE = re.compile(r"[+-]?\d{1,25}\Z", re.ASCII)
Rows = Sequence[Sequence[Any]]


class Altered(ContractError):
    """A request was refused because MLflow's own server would have changed a value in silence."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What stands where a value cannot be used. `altered`: MLflow would have used it, changed."""

    rule: str
    altered: bool = True


def normal(field: Field, value: Any) -> Any:
    """Return one value in its column's type, a `Refusal`, or the value as it is: then the strict check decides."""
    if type(value) is float and math.isnan(value):
        value = None  # how pandas, and so MLflow's client, writes a missing value
    return _NORMAL[field.type](field, value)


def _real(field: Field, value: Any) -> Any:
    if type(value) is bool or (type(value) is str and len(value) <= LONGEST_NUMBER and NUMBER.match(value.strip())):
        value = float(value)
    if type(value) is float and math.isinf(value):
        return Refusal("must be a finite number", altered=False)
    if field.type == "float" and type(value) in (int, float) and abs(value) > FLOAT_MOST:
        return Refusal("is too large for the type float and would become infinite")
    return value


def _whole(field: Field, value: Any) -> Any:
    if (type(value) is str and WHOLE.match(value.strip())) or type(value) is bool:
        value = int(value)
    elif type(value) is float:
        return _cut(field, value)
    if type(value) is int and not field.kind.least <= value <= field.kind.most and -(2**63) <= value < 2**64:
        return Refusal(f"is outside the range of the type {field.type} and would wrap around")
    return value


def _cut(field: Field, value: float) -> Any:
    if math.isinf(value):
        return Refusal("must be a finite number", altered=False)
    if not value.is_integer():
        return Refusal("must be a whole number; its fraction would be cut off")
    if not field.kind.least <= int(value) <= field.kind.most:
        return Refusal(f"is outside the range of the type {field.type} and would wrap around")
    return int(value)


def _flag(field: Field, value: Any) -> Any:
    if type(value) is bool or value is UNSET:
        return value
    return Refusal("must be true or false")


def _text(field: Field, value: Any) -> Any:
    """A number becomes its own text: MLflow keeps it or makes it text, depending on the form of the request."""
    return str(value) if type(value) is int or (type(value) is float and math.isfinite(value)) else value


_NORMAL: dict[str, Callable[[Field, Any], Any]] = {
    "boolean": _flag,
    "integer": _whole,
    "long": _whole,
    "float": _real,
    "double": _real,
    "string": _text,
}


class Normaliser:
    """Reads rows of Python values, in the order of the fields, for one signature; raises ContractError and Altered."""

    def __init__(self, fields: Sequence[Field], layout: Layout) -> None:
        self._fields, self._layout = fields, layout
        self._tensor = fields[0] if fields[0].shape is not None else None
        row = compiling.by_place(fields) if self._tensor is None else compiling.tensor(fields[0])
        self._rows: Any = list[row]  # type: ignore[valid-type]

    def batch(self, rows: Rows, *, clean: bool = True) -> Batch:
        """Return the checked batch. A required value that is not there is UNSET, another None.

        `clean`: there is neither NaN nor infinity in the rows; otherwise every value is looked at.
        """
        if not rows:
            raise whole("there must be at least one row")
        refuse_many(len(rows))
        found = self._strict(rows) if clean else None
        return found or self._lenient([self._normal(row) for row in rows])

    def _lenient(self, made: list[Any]) -> Batch:
        found = self._strict(made)
        if found is None:
            self._refuse(made)
            raise whole("the rows do not fit this model's signature")
        return found

    def _strict(self, rows: Rows) -> Batch | None:
        """Return the batch of rows that keep every rule as they are, None for all others."""
        try:
            return self._made(msgspec.convert(rows, self._rows))
        except (msgspec.ValidationError, RecursionError):
            return None

    def _made(self, found: Any) -> Batch:
        if self._tensor is not None:
            return Batch(len(found), {self._tensor.name: np.array(found, self._tensor.kind.dtype)})
        return Batch.laid_out(self._layout, [msgspec.structs.astuple(row) for row in found])

    def _refuse(self, made: Rows) -> None:
        """Raise ContractError with up to 20 rules that these rows break."""
        broken: list[Detail] = []
        altered: list[Detail] = []
        for number, row in enumerate(made):
            for name, rule, lost in self._faults(row):
                kept = altered if lost else broken
                if len(kept) < MOST_DETAILS:
                    kept.append(Detail(row=number, field=name, rule=rule))
            if len(broken) >= MOST_DETAILS:
                break
        # What MLflow would refuse too comes first: then nothing would have been changed.
        if broken:
            raise ContractError(broken, rows=ROWS)
        if altered:
            raise Altered(altered, rows=ROWS)

    def _normal(self, row: Any) -> Any:
        if self._tensor is not None:
            return _nested(self._tensor, row, self._tensor.shape or ())
        return [normal(field, value) for field, value in zip(self._fields, row, strict=True)]

    def _faults(self, row: Any) -> Iterator[tuple[str, str, bool]]:
        if self._tensor is not None:
            if isinstance(row, Refusal):
                yield self._tensor.name, row.rule, row.altered
            return
        for field, value in zip(self._fields, row, strict=True):
            if isinstance(value, Refusal):
                yield field.name, value.rule, value.altered
            elif rule := "is required" if value is UNSET else field.broken(value):
                yield field.name, rule, False


def _nested(field: Field, value: Any, shape: tuple[int, ...]) -> Any:
    """Return one row of a tensor with every value in its type, or the first `Refusal` in it."""
    if not shape:
        found = normal(field, value)
        rule = None if isinstance(found, Refusal) else field.broken(found)
        return Refusal(rule, altered=False) if rule else found
    if not isinstance(value, (list, tuple)) or len(value) != shape[0]:
        return Refusal(f"must be a list of {shape[0]} {'lists' if len(shape) > 1 else 'values'}", altered=False)
    made = [_nested(field, item, shape[1:]) for item in value]
    wrong = next(((i, item) for i, item in enumerate(made) if isinstance(item, Refusal)), None)
    return made if wrong is None else Refusal(f"value {wrong[0] + 1} {wrong[1].rule}", wrong[1].altered)
