"""The tensors that a signature takes: one per column, and all columns as one matrix where they are numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from serving.contract.fields import Field

MATRIX = "input"
WHOLE = {"INT8": 7, "INT16": 15, "INT32": 31, "INT64": 63, "UINT8": 8, "UINT16": 16, "UINT32": 32, "UINT64": 64}
REAL = ("FP16", "FP32", "FP64")
DATATYPES = frozenset({*WHOLE, *REAL, "BOOL", "BYTES"})
# What fits without loss; what has to be looked at value by value is looked at.
FITS = {
    "boolean": frozenset({"BOOL"}),
    "integer": frozenset(WHOLE),
    "long": frozenset(WHOLE),
    "float": frozenset({"FP16", "FP32", *WHOLE}),
    "double": frozenset({*REAL, *WHOLE}),
    "string": frozenset({"BYTES"}),
}


@dataclass(frozen=True)
class Expected:
    """One tensor: its own datatype, those that fit it, the shape of a row, and the fields that it fills, one or all."""

    name: str
    datatype: str
    fits: frozenset[str]
    shape: tuple[int, ...]
    fields: tuple[Field, ...]

    @property
    def column(self) -> bool:
        """Whether it may come as [n] and as [n, 1]."""
        return self.shape == ()


def each(fields: Sequence[Field]) -> list[Expected]:
    """Return the tensors that fill one field each."""
    return [Expected(item.name, item.kind.v2, FITS[item.type], item.shape or (), (item,)) for item in fields]


def matrix(fields: Sequence[Field]) -> Expected | None:
    """Return the tensor that fills all columns, or None where they are not all numbers, or one has its name."""
    kinds = {item.kind.python for item in fields}
    if any(item.shape is not None or item.name == MATRIX for item in fields) or not kinds <= {int, float}:
        return None
    real = [item for item in fields if item.kind.python is float]
    # Beside fractions a whole number may come as a fraction's type: 529.0 is 529.
    fits = frozenset.intersection(*(FITS[item.type] for item in real or fields))
    datatype = _narrowest([item.kind.v2 for item in real]) if real else _widest([item.kind.v2 for item in fields])
    return Expected(MATRIX, datatype, fits, (len(fields),), tuple(fields))


def _narrowest(datatypes: list[str]) -> str:
    return "FP32" if "FP32" in datatypes else "FP64"


def _widest(datatypes: list[str]) -> str:
    return "INT64" if "INT64" in datatypes else "INT32"
