"""Open Inference Protocol requests: named tensors, checked against a signature, nothing lost on the way.

A request of the usual form is read in one pass by types made from the signature (`quick`). Everything else, binary
tensors included, is read patiently: the two accept the same, and only the patient reading explains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from serving.contract import arrays, binary, expected, quick, wire
from serving.contract.batch import Batch, Layout, refuse_many
from serving.contract.errors import MOST_DETAILS, ContractError, Detail, named, whole
from serving.contract.expected import DATATYPES, REAL, WHOLE, Expected
from serving.contract.fields import FLOAT_MOST, Field
from serving.contract.wire import Input, Rest, flag

__all__ = ["Request", "TensorDecoder"]
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


@dataclass(slots=True)
class Request:
    """A checked request: its batch, its id, and the names of the outputs it asks for (None: all).

    `raw` says whether outputs are wanted as binary data, `exceptions` for which of them it is otherwise.
    """

    batch: Batch
    id: str | None
    outputs: tuple[str, ...] | None
    raw: bool = False
    exceptions: Mapping[str, bool] = field(default_factory=dict)

    def wants_raw(self, name: str) -> bool:
        return self.exceptions.get(name, self.raw)


class TensorDecoder:
    """Reads requests for one signature; raises ContractError."""

    def __init__(self, fields: Sequence[Field], layout: Layout | None = None) -> None:
        self.fields = fields
        self.matrix = expected.matrix(fields)
        self._layout = layout or Layout(fields)
        self._expected = {item.name: item for item in expected.each(fields)}
        self._quick = quick.QuickDecoder(fields, self.matrix, self._layout)

    def decode(self, body: bytes) -> Request:
        """Return the checked request of a body that is JSON as a whole."""
        if (found := self._quick.decode(body)) is not None:
            batch, rest = found
            return _request(batch, rest)
        return self._patient(body, memoryview(b""))

    def decode_binary(self, body: bytes, length: str) -> Request:
        """Return the checked request of a body whose JSON, of `length` bytes, is followed by raw tensors."""
        return self._patient(*binary.split(body, length))

    def _patient(self, body: bytes, raw: memoryview) -> Request:
        request = wire.read(body)
        parts = dict(zip(map(id, request.inputs), binary.parts(request.inputs, raw), strict=True))
        given = self._by_name(request.inputs)
        rows = _rows(given)
        # What was sent comes first: its data is counted against the shape, so `rows` is only a claim until then.
        read = {name: _read(self._named(name), item, parts[id(item)]) for name, item in given.items()}
        return _request(self._batch(rows, read), request)

    def _named(self, name: str) -> Expected:
        found = self._expected.get(name) or self.matrix
        assert found is not None  # noqa: S101 - only known names come here
        return found

    def _batch(self, rows: int, read: dict[str, np.ndarray]) -> Batch:
        if self.matrix is not None and self.matrix.name in read:
            values = read[self.matrix.name]
            if self._layout.uniform:
                return Batch.of_blocks(self._layout, rows, [values.astype(self.fields[0].kind.dtype)])
            columns = [values[:, place].astype(item.kind.dtype) for place, item in enumerate(self.fields)]
            return Batch(rows, dict(zip(self._layout.names, columns, strict=True)))
        return Batch(rows, {item.name: _column(item, rows, read.get(item.name)) for item in self.fields})

    def _by_name(self, inputs: list[Input]) -> dict[str, Input]:
        given = {item.name: item for item in inputs}
        if not inputs:
            raise whole("inputs must hold at least one tensor")
        if len(given) != len(inputs):
            raise whole("inputs must name each tensor once")
        if self.matrix is not None and given.keys() == {self.matrix.name}:
            return given
        if given.keys() - self._expected.keys():
            raise whole(f"inputs holds a tensor that this model does not have; {self._choice()}")
        missing = [item.name for item in self.fields if item.required and item.name not in given]
        if missing:
            raise ContractError([Detail(row=None, field=name, rule="is required") for name in missing])
        return given

    def _choice(self) -> str:
        names = f"it has {', '.join(sorted(self._expected)[:20])}"
        if self.matrix is None:
            return names
        return f"{names}, or {self.matrix.name} alone, which holds all {len(self.fields)} columns"


def _request(batch: Batch, rest: Rest) -> Request:
    if rest.outputs is None and rest.parameters is None:
        return Request(batch, rest.id, None)
    raw = flag(rest.parameters, "binary_data_output", False)
    if rest.outputs is None:
        return Request(batch, rest.id, None, raw)
    names = tuple(output.name for output in rest.outputs)
    if not names or len(set(names)) < len(names):
        raise named("outputs", "must name at least one output, and each once")
    own = {item.name: flag(item.parameters, "binary_data", raw) for item in rest.outputs}
    return Request(batch, rest.id, names, raw, own)


def _rows(given: dict[str, Input]) -> int:
    sizes = {item.shape[0] if item.shape else 0 for item in given.values()}
    if len(sizes) != 1 or 0 in sizes:
        raise whole("every tensor must have the same first dimension, of at least 1 row")
    rows = sizes.pop()
    refuse_many(rows)
    return rows


def _read(tensor: Expected, item: Input, raw: memoryview | None) -> np.ndarray:
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


def _column(item: Field, rows: int, values: np.ndarray | None) -> np.ndarray:
    if values is None:
        return np.array([None] * rows, item.kind.dtype)
    return values.astype(item.kind.dtype).reshape(rows, *(item.shape or ()))


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
