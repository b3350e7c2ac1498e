"""Bodies of nothing but brackets are refused before they are read, and no others."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from serving.contract import ContractError, Decoder, Signature, crowd
from serving.tests.builders import flight, matrix

MANY = 1_000_000
DECODER = Decoder(flight())
READ: dict[str, tuple[bytes, Callable[[bytes], Any]]] = {
    "instances": (b"instances", DECODER.decode_v1),
    "V2 inputs": (b"inputs", DECODER.decode_v2),
    "MLflow inputs": (b"inputs", DECODER.frames.json),
}


@pytest.mark.parametrize("part", [b"[],", b"{},", b'{"a":[]},', b'["\\"[",["x"]],'])
@pytest.mark.parametrize("where", READ)
def test_a_body_of_brackets_is_refused_unread(where: str, part: bytes) -> None:
    name, read = READ[where]
    with pytest.raises(ContractError, match="more lists and objects than"):
        read(b'{"%s":[%s[]]}' % (name, part * (MANY // len(part))))


def test_brackets_in_texts_are_texts() -> None:
    signature = Signature.from_json({"inputs": [{"name": "text", "type": "string"}]})
    rows = [{"text": '["[[[{{" \\' * 20}] * 5_000
    crowd.refuse(json.dumps({"instances": rows}).encode(), signature.inputs)
    assert Decoder(signature).decode_v1(json.dumps({"instances": rows}).encode()).rows == 5_000


def test_as_many_rows_as_a_request_holds_are_no_crowd() -> None:
    image = Signature.from_json(
        {"inputs": [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 4, 2]}}]}
    )
    for signature, row in ((matrix(), [1, 2, 3]), (image, [[1, 2]] * 4)):
        decoder = Decoder(signature)
        assert decoder.decode_v1(json.dumps({"instances": [row] * 10_000}).encode()).rows == 10_000
        assert decoder.frames.json(json.dumps({"inputs": [row] * 10_000}).encode()).rows == 10_000


def test_tensors_may_nest_each_value() -> None:
    names = {"distance": ("INT64", 529), "hour": ("FP64", 6.5), "origin": ("BYTES", "JFK")}
    inputs = [
        {"name": name, "datatype": kind, "shape": [10_000, 1], "data": [[value]] * 10_000}
        for name, (kind, value) in names.items()
    ]
    assert DECODER.decode_v2(json.dumps({"inputs": inputs}).encode()).batch.rows == 10_000
