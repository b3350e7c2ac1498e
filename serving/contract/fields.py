"""One input of a model: its type, its shape, its limits, and the sentences that say which of them a value breaks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

FLOAT_MOST = 3.4028234663852886e38


class Kind(NamedTuple):
    """What a type means: in JSON, in numpy, in the Open Inference Protocol, in words, and which numbers it can hold."""

    python: type
    dtype: str
    v2: str
    words: str
    least: float
    most: float


KINDS = {
    "boolean": Kind(bool, "bool", "BOOL", "true or false", 0, 0),
    "integer": Kind(int, "int32", "INT32", "a whole number", -(2**31), 2**31 - 1),
    "long": Kind(int, "int64", "INT64", "a whole number", -(2**63), 2**63 - 1),
    "float": Kind(float, "float32", "FP32", "a number", -FLOAT_MOST, FLOAT_MOST),
    "double": Kind(float, "float64", "FP64", "a number", -math.inf, math.inf),
    "string": Kind(str, "object", "BYTES", "text", 0, 0),
}
TENSOR_TYPES = {
    "bool": "boolean",
    "int32": "integer",
    "int64": "long",
    "float32": "float",
    "float64": "double",
    "object": "string",
    "str": "string",
}
BOUNDS = {"gt": "greater than", "ge": "at least", "lt": "less than", "le": "at most"}
CONSTRAINTS = frozenset({*BOUNDS, "values", "unit", "description", "sensitive"})
NULLABLE = frozenset({"float", "double", "string"})


@dataclass(frozen=True)
class Field:
    """One input. `shape` is None for a column of scalars, else the shape of one row of a tensor."""

    name: str
    type: str
    required: bool = True
    shape: tuple[int, ...] | None = None
    named: bool = True
    gt: float | None = None
    ge: float | None = None
    lt: float | None = None
    le: float | None = None
    values: tuple[Any, ...] | None = None
    unit: str = ""
    description: str = ""
    sensitive: bool = False

    @property
    def kind(self) -> Kind:
        return KINDS[self.type]

    def least(self) -> float:
        """The lowest value that is allowed (whole numbers: exactly; others: the limit, `gt` or `ge`)."""
        limits = [self.kind.least]
        if self.ge is not None:
            limits.append(math.ceil(self.ge) if self.kind.python is int else self.ge)
        if self.gt is not None:
            limits.append(math.floor(self.gt) + 1 if self.kind.python is int else self.gt)
        return max(limits)

    def most(self) -> float:
        """The highest value that is allowed (whole numbers: exactly; others: the limit, `lt` or `le`)."""
        limits = [self.kind.most]
        if self.le is not None:
            limits.append(math.floor(self.le) if self.kind.python is int else self.le)
        if self.lt is not None:
            limits.append(math.ceil(self.lt) - 1 if self.kind.python is int else self.lt)
        return min(limits)

    def open_below(self) -> bool:
        """Whether the lowest limit itself is refused (never for whole numbers)."""
        return self.kind.python is float and self.gt is not None and self.gt == self.least()

    def open_above(self) -> bool:
        """Whether the highest limit itself is refused (never for whole numbers)."""
        return self.kind.python is float and self.lt is not None and self.lt == self.most()

    def broken(self, value: Any) -> str | None:
        """Return the rule that one scalar breaks, in words, or None."""
        if value is None:
            return None if not self.required else f"must be {self.kind.words}, not null"
        if rule := self._wrong_type(value):
            return rule
        if self.kind.python in (int, float) and (rule := self._out_of_limits(value)):
            return rule
        if self.values is not None and value not in self.values:
            few = len(self.values) <= 12
            return f"must be one of {', '.join(map(str, self.values))}" if few else "is not an allowed value"
        return None

    def _wrong_type(self, value: Any) -> str | None:
        wanted = (int, float) if self.kind.python is float else (self.kind.python,)
        if type(value) in wanted:
            return None
        if type(value) is float and self.kind.python is int:
            return "must be a whole number, written without a decimal point"
        return f"must be {self.kind.words}"

    def _out_of_limits(self, value: float) -> str | None:
        if isinstance(value, float) and not math.isfinite(value):
            return "must be a finite number"
        for key, words in BOUNDS.items():
            limit = getattr(self, key)
            if limit is not None and not _HOLDS[key](value, limit):
                return f"must be {words} {limit:g}" if isinstance(limit, float) else f"must be {words} {limit}"
        if not self.kind.least <= value <= self.kind.most or _too_big(value):
            return f"is outside the range of the type {self.type}"
        return None


_HOLDS = {
    "gt": lambda value, limit: value > limit,
    "ge": lambda value, limit: value >= limit,
    "lt": lambda value, limit: value < limit,
    "le": lambda value, limit: value <= limit,
}


def _too_big(value: float) -> bool:
    try:
        return math.isinf(float(value))
    except OverflowError:
        return True


def problems(field: Field) -> list[str]:
    """Return what is wrong with a field's own definition, in words."""
    if field.type not in KINDS:
        return [f"{field.name}: the type {field.type} is not served; use one of {', '.join(KINDS)}"]
    found = []
    if not field.required and field.type not in NULLABLE:
        found.append(f"{field.name}: only float, double and string inputs can be optional")
    if field.shape is not None and any(size < 1 for size in field.shape):
        found.append(f"{field.name}: only the first dimension of a tensor can be open (-1)")
    return found + _limit_problems(field) + _value_problems(field)


def _limit_problems(field: Field) -> list[str]:
    limits = {key: getattr(field, key) for key in BOUNDS if getattr(field, key) is not None}
    if limits and field.kind.python not in (int, float):
        return [f"{field.name}: {', '.join(limits)} need a numeric type, not {field.type}"]
    wrong = [key for key, value in limits.items() if type(value) not in (int, float) or not math.isfinite(value)]
    if wrong:
        return [f"{field.name}: {', '.join(wrong)} must be finite numbers"]
    empty = field.least() > field.most() or (
        field.least() == field.most() and (field.open_below() or field.open_above())
    )
    return [f"{field.name}: no value can meet all its limits"] if limits and empty else []


def _value_problems(field: Field) -> list[str]:
    if field.values is None:
        return []
    if field.kind.python not in (int, str) or field.shape is not None:
        return [f"{field.name}: a list of values needs a column of type string, integer or long"]
    if not field.values or len(set(map(repr, field.values))) != len(field.values):
        return [f"{field.name}: the list of values must hold at least one value, each once"]
    bare = Field(field.name, field.type, gt=field.gt, ge=field.ge, lt=field.lt, le=field.le)
    return [f"{field.name}: an allowed value {rule}" for value in field.values if (rule := bare.broken(value))][:1]
