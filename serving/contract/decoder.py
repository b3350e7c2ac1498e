"""A signature compiled: bytes of a request in, a checked batch out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET

from serving.contract import compiling, explaining, tensors
from serving.contract.batch import MOST_ROWS, Batch, Layout, refuse_many
from serving.contract.errors import whole
from serving.contract.expected import Expected
from serving.contract.frames import Frames
from serving.contract.signature import Signature
from serving.contract.tensors import Request
from serving.contract.wire import UNREADABLE


class Decoder:
    """The compiled signature. Its methods raise ContractError, and accept nothing that the signature does not.

    What the rows of a warm call need is compiled at once, the rest by `complete`, or when it is first asked for.
    """

    def __init__(self, signature: Signature) -> None:
        self.signature = signature.check()
        self.fields = signature.inputs
        self._named = msgspec.json.Decoder(compiling.named(self.fields))
        self._layout = Layout(self.fields)
        self._optional = any(not field.required for field in self.fields)
        self._unnamed = self.signature.tensor is not None and not self.signature.tensor.named
        self._texts = [i for i, field in enumerate(self.fields) if field.type == "string"]
        # The usual model: every column is there and a number, so each row has the same quotation marks.
        self._numbers = not (self._optional or self._texts or self.signature.tensor)
        self._quotes = 2 * len(self.fields)

    def complete(self) -> None:
        """Compile what requests of any form need, except MLflow's."""
        _ = self._plain, self._v2

    @cached_property
    def _plain(self) -> Any:
        return msgspec.json.Decoder(compiling.plain(self.fields))

    @cached_property
    def _v2(self) -> tensors.TensorDecoder:
        return tensors.TensorDecoder(self.fields, self._layout)

    def decode_v1(self, body: bytes) -> Batch:
        """Read `{"instances": [row, …]}`; rows are all objects or all plain lists, MOST_ROWS at most."""
        return self._read(body, MOST_ROWS)

    def _read(self, body: bytes, most: float) -> Batch:
        try:
            instances = self._named.decode(body).instances
            if self._unnamed:
                raise msgspec.ValidationError("a tensor without a name cannot be sent by name")
        except UNREADABLE:
            return self._lists(body, most)
        refuse_many(len(instances), most)
        if self._numbers:
            rows = list(map(msgspec.structs.astuple, instances))
            if body.count(b'"') == 2 + self._quotes * len(rows) and b"\\" not in body:
                return Batch(len(rows), None, self._layout, rows)
        return self._columns(instances, body, named=True)

    def _lists(self, body: bytes, most: float) -> Batch:
        try:
            instances = self._plain.decode(body).instances
        except UNREADABLE as error:
            explaining.refuse_v1(body, self.fields, most)
            raise whole("the body does not fit this model's signature") from error
        refuse_many(len(instances), most)
        if self.signature.tensor:
            self._refuse_doubled(body, 2)
            return self._tensor(instances)
        return self._columns(instances, body, named=False)

    def decode_v2(self, body: bytes) -> Request:
        """Read an Open Inference Protocol request with tensors as JSON."""
        return self._v2.decode(body)

    def decode_binary(self, body: bytes, length: str) -> Request:
        """Read one whose tensors follow its JSON, of `length` bytes (a header's text), as binary data."""
        return self._v2.decode_binary(body, length)

    @property
    def matrix(self) -> Expected | None:
        """The tensor that may hold all columns; None where there is none."""
        return self._v2.matrix

    @cached_property
    def frames(self) -> Frames:
        """The reader of MLflow's forms, compiled when the first such request comes."""
        return Frames(self.signature, self._layout)

    def batch(self, rows: Sequence[Mapping[str, Any]]) -> Batch:
        """Return checked rows (by field name), as many as there are, as a batch."""
        tensor = self.signature.tensor
        plain = [row[tensor.name] for row in rows] if tensor else list(rows)
        return self._read(msgspec.json.encode({"instances": plain}), math.inf)

    def _columns(self, instances: list[Any], body: bytes, *, named: bool) -> Batch:
        rows = list(map(msgspec.structs.astuple, instances))
        # A field left out is UNSET, so that a null that was sent still explains the name before it.
        gaps = sum(row.count(UNSET) for row in rows) if self._optional else 0
        names = len(rows) * len(self.fields) - gaps if named else 0
        if gaps:
            rows = [tuple(None if value is UNSET else value for value in row) for row in rows]
        texts = sum(row[i] is not None for row in rows for i in self._texts) if self._texts else 0
        self._refuse_doubled(body, 2 + 2 * names + 2 * texts)
        if self.signature.tensor:
            return self._tensor([row[0] for row in rows])
        return Batch.laid_out(self._layout, rows)

    def _tensor(self, values: list[Any]) -> Batch:
        only = self.fields[0]
        return Batch(len(values), {only.name: np.array(values, only.kind.dtype)})

    def _refuse_doubled(self, body: bytes, quotes: int) -> None:
        """A name given twice shows as more quotation marks than the accepted values explain; then look closely."""
        if body.count(b'"') != quotes or b"\\" in body:
            explaining.refuse_v1(body, self.fields)
