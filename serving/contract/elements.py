"""The elements of one tensor, from JSON or from bytes: of the declared datatype and shape, and within the limits."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from serving.contract import arrays, binary
from serving.contract.errors import MOST_DETAILS, ContractError, Detail, named
from serving.contract.expected import DATATYPES, REAL, WHOLE, Expected
from serving.contract.fields import FLOAT_MOST
from serving.contract.wire import Input

TYPES: dict[str, Any] = {
    "BOOL": bool,
    "BYTES": str,
    "FP32": Annotated[float, Meta(ge=-FLOAT_MOST, le=FLOAT_MOST)],
    "FP64": float,
    **{
        name: Annotated[int, Meta(ge=0 if name[0] == "U" else -(2**bits), le=2**bits - 1)]
        for name, bits in WHOLE.items()
    },
}
# JSON numbers stay what they are until their field's own type; FP32 says which of them may come.
ARRAYS = {"BOOL": "?", "BYTES": "O", "FP32": "<f8", "FP64": "<f8", **{name: binary.DTYPES[name] for name in WHOLE}}
WORDS = {"BOOL": "true or false", "BYTES": "text", "FP32": "a number", "FP64": "a number"}


def read(tensor: Expected, item: Input, raw: memoryview | None) -> np.ndarray:
    """Return the checked elements, (rows, elements of a row), of a type that becomes the fields' without loss."""
    _check_datatype(tensor, item.datatype, raw is None)
    _check_shape(tensor, item.shape)
    gaps = raw is None and not all(part.required for part in tensor.fields)
    if raw is None:
        found = _from_json(tensor, item, gaps)
    else:
        found = binary.values(item.name, item.datatype, binary.elements(item.shape), raw)
    table = found.reshape(item.shape[0], -1)
    arrays.refuse_broken(tensor.fields, table, gaps=gaps)
    return table


def _from_json(tensor: Expected, item: Input, gaps: bool) -> np.ndarray:
    if not isinstance(item.data, list):
        raise named(item.name, "has no data")
    flat = _flatten(item, item.data)
    nullable = gaps and item.datatype not in WHOLE
    kind = TYPES[item.datatype]
    try:
        msgspec.convert(flat, list[kind | None] if nullable else list[kind])  # type: ignore[valid-type]
    except msgspec.ValidationError:
        raise ContractError(_wrong(tensor, item.datatype, flat, nullable), rows="rows") from None
    found = np.array(flat, ARRAYS[item.datatype])
    if nullable:
        _refuse_nulls(tensor, found.reshape(item.shape[0], -1))
    return found


def _wrong(tensor: Expected, datatype: str, flat: list[Any], nullable: bool) -> list[Detail]:
    """Return the elements that the declared datatype cannot hold."""
    words = f"must be {WORDS.get(datatype) or f'a whole number of the datatype {datatype}'}"
    kind, width = TYPES[datatype] | None if nullable else TYPES[datatype], binary.elements(tensor.shape)
    found: list[Detail] = []
    for i, value in enumerate(flat):
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError:
            large = datatype in REAL and type(value) in (int, float)
            rule = f"is outside the range of {datatype}" if large else words + (", not null" if value is None else "")
            found.append(arrays.detail(tensor.fields, *divmod(i, width), rule))
            if len(found) == MOST_DETAILS:
                break
    return found


def _refuse_nulls(tensor: Expected, table: np.ndarray) -> None:
    """Of a matrix some columns may be left out; a null in another one is refused."""
    for place, part in enumerate(tensor.fields):
        column = table[:, place] if len(tensor.fields) > 1 else table
        if part.required and column.dtype.kind == "f" and np.isnan(column).any():
            rule = f"must be {part.kind.words}, not null"
            raise ContractError([Detail(row=int(np.isnan(column).argmax()), field=part.name, rule=rule)], rows="rows")


def _check_datatype(tensor: Expected, datatype: str, json: bool) -> None:
    if datatype not in tensor.fits:
        known = "" if datatype in DATATYPES else ", and the one given does not exist here"
        raise named(tensor.name, f"the datatype must be {tensor.datatype} or one that fits it without loss{known}")
    if datatype == "FP16" and json:
        raise named(tensor.name, "FP16 cannot be sent as JSON; send it as binary data, or as FP32")


def _check_shape(tensor: Expected, shape: list[int]) -> None:
    """Columns may come as [n] or [n, 1]; a tensor only as declared."""
    if tuple(shape[1:]) != tensor.shape and not (tensor.column and shape[1:] == [1]):
        raise named(tensor.name, f"the shape must be {[-1, *tensor.shape]}, -1 being the number of rows")


def _flatten(item: Input, data: list[Any]) -> list[Any]:
    """Return the elements row by row; data may be flat, or nested exactly as the shape says."""
    flat = data
    if data and isinstance(data[0], list):
        try:
            flat = _open(data, item.shape)
        except ValueError as error:
            raise named(item.name, str(error)) from error
    if len(flat) != binary.elements(item.shape):
        raise named(item.name, f"the data must hold as many elements as the shape says, {binary.elements(item.shape)}")
    return flat


def _open(data: Any, shape: list[int]) -> list[Any]:
    if not shape:
        return [data]
    if not isinstance(data, list) or len(data) != shape[0]:
        raise ValueError("the nested data must have exactly the shape that is given")
    return [value for item in data for value in _open(item, shape[1:])]
