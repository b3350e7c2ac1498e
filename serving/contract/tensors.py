"""Open Inference Protocol requests: named tensors as JSON, checked against a signature, nothing lost on the way."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from serving.contract import compiling
from serving.contract.batch import Batch, refuse_many
from serving.contract.errors import ContractError, Detail, whole
from serving.contract.fields import Field

WHOLE = {"INT8": 7, "INT16": 15, "INT32": 31, "INT64": 63, "UINT8": 8, "UINT16": 16, "UINT32": 32, "UINT64": 64}
DATATYPES = frozenset({*WHOLE, "BOOL", "FP32", "FP64", "BYTES"})
FITS = {
    "boolean": {"BOOL"},
    "integer": set(WHOLE),
    "long": set(WHOLE),
    "float": {"FP32", *WHOLE},
    "double": {"FP64", "FP32", *WHOLE},
    "string": {"BYTES"},
}
# Whole numbers up to here survive becoming a floating-point number.
EXACT = {"float": 2**24, "double": 2**53}


class _Input(msgspec.Struct):
    name: str
    shape: list[Annotated[int, Meta(ge=0, le=2**31)]]
    datatype: str
    data: list[Any]
    parameters: dict[str, Any] | None = None


class _Output(msgspec.Struct):
    name: str
    parameters: dict[str, Any] | None = None


class _Request(msgspec.Struct):
    inputs: list[_Input]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[_Output] | None = None


@dataclass(slots=True)
class Request:
    """A checked request: its batch, its id, and the names of the outputs it asks for (None: all)."""

    batch: Batch
    id: str | None
    outputs: tuple[str, ...] | None


class TensorDecoder:
    """Reads requests for one signature; raises ContractError."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self.fields = fields
        self._names = {field.name for field in fields}
        self._values = {field.name: list[compiling.scalar(field)] for field in fields}  # type: ignore[misc]
        self._decoder = msgspec.json.Decoder(_Request)

    def decode(self, body: bytes) -> Request:
        """Return the checked request."""
        try:
            request = self._decoder.decode(body)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise whole(f"the body is not an inference request: {_reason(error)}") from error
        given = self._by_name(request.inputs)
        rows = self._rows(given)
        # What was sent comes first: its data is counted against the shape, so `rows` is only a claim until then.
        sent = {
            field.name: self._column(field, given[field.name], rows) for field in self.fields if field.name in given
        }
        columns = {f.name: sent[f.name] if f.name in sent else _empty(f, rows) for f in self.fields}
        names = None if request.outputs is None else tuple(output.name for output in request.outputs)
        return Request(Batch(rows, columns), request.id, names)

    def _by_name(self, inputs: list[_Input]) -> dict[str, _Input]:
        given = {item.name: item for item in inputs}
        if not inputs:
            raise whole("inputs must hold at least one tensor")
        if len(given) != len(inputs):
            raise whole("inputs must name each tensor once")
        if given.keys() - self._names:
            raise whole(f"inputs holds a tensor that this model does not have; it has {_list(self._names)}")
        missing = [field.name for field in self.fields if field.required and field.name not in given]
        if missing:
            raise ContractError([Detail(row=None, field=name, rule="is required") for name in missing])
        return given

    def _rows(self, given: dict[str, _Input]) -> int:
        sizes = {item.shape[0] if item.shape else 0 for item in given.values()}
        if len(sizes) != 1 or 0 in sizes:
            raise whole("every tensor must have the same first dimension, of at least 1 row")
        rows = sizes.pop()
        refuse_many(rows)
        return rows

    def _column(self, field: Field, item: _Input, rows: int) -> np.ndarray:
        _check_datatype(field, item.datatype)
        shape = _check_shape(field, item.shape)
        flat = _flatten(field, item.data, item.shape)
        self._check_values(field, flat, item.datatype)
        return np.array(flat, field.kind.dtype).reshape((rows, *shape))

    def _check_values(self, field: Field, flat: list[Any], datatype: str) -> None:
        try:
            msgspec.convert(flat, self._values[field.name])
            strange = datatype in WHOLE and list(_not_whole(field, flat, datatype))
        except msgspec.ValidationError:
            strange = _broken(field, flat) or [(0, "does not fit this model's signature")]
        if strange:
            raise ContractError(
                [Detail(row=None, field=f"{field.name}.data[{i}]", rule=rule) for i, rule in strange[:20]]
            )


def _empty(field: Field, rows: int) -> np.ndarray:
    return np.array([None] * rows, field.kind.dtype)


def _broken(field: Field, flat: list[Any]) -> list[tuple[int, str]]:
    return [(i, rule) for i, value in enumerate(flat) if (rule := field.broken(value))]


def _not_whole(field: Field, flat: list[Any], datatype: str) -> Iterator[tuple[int, str]]:
    """What the declared datatype cannot hold, and whole numbers that would change on becoming a float."""
    most = 2 ** WHOLE[datatype] - 1
    least = 0 if datatype.startswith("U") else -most - 1
    exact = EXACT.get(field.type, math.inf)
    for i, value in enumerate(flat):
        if value is None:
            continue
        if type(value) is not int or not least <= value <= most:
            yield i, f"must be a whole number of the datatype {datatype}"
        elif abs(value) > exact:
            yield i, f"is too large to become {field.kind.v2} without loss"


def _check_datatype(field: Field, datatype: str) -> None:
    if datatype not in FITS[field.type]:
        known = "" if datatype in DATATYPES else ", and the one given does not exist here"
        rule = f"the datatype must be {field.kind.v2} or one that fits it without loss{known}"
        raise ContractError([Detail(row=None, field=field.name, rule=rule)])


def _check_shape(field: Field, shape: list[int]) -> tuple[int, ...]:
    """Columns may come as [n] or [n, 1]; a tensor only as declared."""
    wanted = field.shape or ()
    if tuple(shape[1:]) == wanted or (field.shape is None and shape[1:] == [1]):
        return wanted
    rule = f"the shape must be {[-1, *wanted]}, -1 being the number of rows"
    raise ContractError([Detail(row=None, field=field.name, rule=rule)])


def _flatten(field: Field, data: list[Any], shape: list[int]) -> list[Any]:
    """Return the elements row by row; data may be flat, or nested exactly as the shape says."""
    flat = data
    if data and isinstance(data[0], list):
        try:
            flat = _open(data, shape)
        except ValueError as error:
            raise ContractError([Detail(row=None, field=field.name, rule=str(error))]) from error
    if len(flat) != math.prod(shape):
        rule = f"the data must hold as many elements as the shape says, {math.prod(shape)}"
        raise ContractError([Detail(row=None, field=field.name, rule=rule)])
    return flat


def _open(data: Any, shape: list[int]) -> list[Any]:
    if not shape:
        return [data]
    if not isinstance(data, list) or len(data) != shape[0]:
        raise ValueError("the nested data must have exactly the shape that is given")
    return [value for item in data for value in _open(item, shape[1:])]


def _reason(error: Exception) -> str:
    """msgspec says what it expected and where, never the value that it found."""
    return str(error).split(" - at ")[0] if isinstance(error, RecursionError) else str(error)


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names)[:20])
