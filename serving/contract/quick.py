"""Tensor requests of the usual form, read in one pass by types compiled from a signature; None for all others.

It may leave what is right to the patient reading, but never accepts what that one would refuse.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, prod
from typing import Annotated, Any, Literal, Union

import msgspec
import numpy as np
from msgspec import Meta

from serving.contract import compiling
from serving.contract.batch import MOST_ROWS, Batch, Layout
from serving.contract.expected import Expected
from serving.contract.fields import Field
from serving.contract.wire import INPUTS_QUOTES, TENSOR_QUOTES, UNREADABLE, Rest, Shape, rest_quotes

Found = tuple[Batch, Rest]


class QuickDecoder:
    """Reads what names every column once, in the column's own datatype, or one tensor that is the whole input."""

    def __init__(self, fields: Sequence[Field], matrix: Expected | None, layout: Layout) -> None:
        self._layout = layout
        columns = [] if fields[0].shape is not None else fields
        self._types = [_tensor(item, compiling.scalar(item)) for item in columns]
        self._texts = [place for place, item in enumerate(columns) if item.type == "string"]
        self._alone = _Alone.of(fields, matrix, layout)
        self._decoder = msgspec.json.Decoder(_envelope([*self._types, *([self._alone.flat] if self._alone else [])]))

    def decode(self, body: bytes) -> Found | None:
        """Return the batch, and what stands beside the inputs."""
        if b"\\" in body:
            return None
        try:
            request = self._decoder.decode(body)
        except UNREADABLE:
            return self._alone.decode(body) if self._alone else None
        inputs = request.inputs
        # A name given twice shows as quotation marks that the accepted values do not explain.
        quotes = body.count(b'"') - INPUTS_QUOTES - TENSOR_QUOTES * len(inputs) - rest_quotes(request)
        if self._alone and type(inputs[0]) is self._alone.flat:
            batch = None if quotes or len(inputs) > 1 else self._alone.read_flat(inputs[0])
        else:
            batch = self._columns(inputs, quotes)
        return None if batch is None else (batch, request)

    def _columns(self, inputs: list[Any], quotes: int) -> Batch | None:
        if list(map(type, inputs)) != self._types:
            given = {type(item): item for item in inputs}
            if len(inputs) != len(self._types) or given.keys() != set(self._types):
                return None
            inputs = [given[kind] for kind in self._types]
        data = [item.data for item in inputs]
        rows = len(data[0])
        shapes = ([rows], [rows, 1])
        for item in inputs:
            if item.shape not in shapes or len(item.data) != rows:
                return None
        texts = sum(rows - data[place].count(None) for place in self._texts)
        if quotes != 2 * texts or not 0 < rows <= MOST_ROWS:
            return None
        return Batch.laid_out(self._layout, list(zip(*data, strict=True)))


class _Alone:
    """One tensor of numbers for the whole input: the signature's own, or the matrix of columns of one type."""

    def __init__(self, field: Field, row: tuple[int, ...], layout: Layout | None) -> None:
        kind = compiling.scalar(field)
        self.flat = _tensor(field, kind)
        self._nested = msgspec.json.Decoder(_envelope([_tensor(field, compiling.tensor(field))]))
        self._field, self._row, self._size, self._layout = field, list(row), prod(row), layout
        self._limits: tuple[np.ndarray, np.ndarray] | None = None

    @classmethod
    def of(cls, fields: Sequence[Field], matrix: Expected | None, layout: Layout) -> _Alone | None:
        first = fields[0]
        if first.shape is not None:
            return cls(first, first.shape, None) if first.type != "string" else None
        if matrix is None or len({item.type for item in fields}) > 1 or not all(item.required for item in fields):
            return None
        if any(item.values is not None for item in fields):
            return None
        found = cls(Field(matrix.name, first.type, shape=matrix.shape), matrix.shape, layout)
        found._limits = _limits(fields)
        return found

    def decode(self, body: bytes) -> Found | None:
        """Read nested data."""
        try:
            request = self._nested.decode(body)
        except UNREADABLE:
            return None
        item, quotes = request.inputs[0], INPUTS_QUOTES + TENSOR_QUOTES + rest_quotes(request)
        if len(request.inputs) > 1 or body.count(b'"') != quotes or item.shape != [len(item.data), *self._row]:
            return None
        batch = self._batch(len(item.data), item.data)
        return None if batch is None else (batch, request)

    def read_flat(self, item: Any) -> Batch | None:
        data, size = item.data, self._size
        rows, rest = divmod(len(data), size)
        if rest or item.shape != [rows, *self._row]:
            return None
        return self._batch(
            rows, data if self._layout is None else [data[i : i + size] for i in range(0, len(data), size)]
        )

    def _batch(self, rows: int, values: list[Any]) -> Batch | None:
        if not 0 < rows <= MOST_ROWS:
            return None
        if self._layout is None:
            found = np.array(values, self._field.kind.dtype).reshape(rows, *self._row)
            return Batch(rows, {self._field.name: found})
        if self._limits is not None:
            numbers = np.array(values)
            if (numbers < self._limits[0]).any() or (numbers > self._limits[1]).any():
                return None
        return Batch.laid_out(self._layout, values)


def _limits(fields: Sequence[Field]) -> tuple[np.ndarray, np.ndarray] | None:
    """The lowest and the highest value of each column; None when its type is the only limit."""
    if all(item.least() == item.kind.least and item.most() == item.kind.most for item in fields):
        return None
    low = [np.nextafter(item.least(), inf) if item.open_below() else item.least() for item in fields]
    high = [np.nextafter(item.most(), -inf) if item.open_above() else item.most() for item in fields]
    return np.array(low), np.array(high)


def _tensor(field: Field, kind: Any) -> Any:
    members = [("shape", Shape), ("datatype", Literal[field.kind.v2]), ("data", list[kind])]
    return msgspec.defstruct("Tensor", members, tag_field="name", tag=field.name)


def _envelope(kinds: list[Any]) -> Any:
    one: Any = Union[tuple(kinds)]  # noqa: UP007 - built at run time
    inputs = Annotated[list[one], Meta(min_length=1)]
    return msgspec.defstruct("QuickRequest", [("inputs", inputs)], bases=(Rest,), kw_only=True)
