"""Open Inference Protocol requests: named tensors, checked against a signature, nothing lost on the way.

A request of the usual form is read in one pass by types made from the signature (`quick`). Everything else, binary
tensors included, is read patiently: the two accept the same, and only the patient reading explains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from serving.contract import binary, crowd, elements, expected, quick, wire
from serving.contract.batch import Batch, Layout, refuse_many
from serving.contract.errors import ContractError, Detail, named, whole
from serving.contract.expected import Expected
from serving.contract.fields import Field
from serving.contract.wire import Input, Rest, flag

__all__ = ["Request", "TensorDecoder"]


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
        crowd.refuse(body, self.fields)
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
        read = {name: elements.read(self._named(name), item, parts[id(item)]) for name, item in given.items()}
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


def _column(item: Field, rows: int, values: np.ndarray | None) -> np.ndarray:
    if values is None:
        return np.array([None] * rows, item.kind.dtype)
    return values.astype(item.kind.dtype).reshape(rows, *(item.shape or ()))
