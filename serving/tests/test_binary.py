"""The binary tensor data extension: raw tensors are checked as strictly as JSON, and come out bit by bit."""

from __future__ import annotations

import json
import tracemalloc
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.contract import ContractError, Decoder, Signature, binary
from serving.contract.tensors import Request
from serving.tests.builders import flight, matrix

FLIGHT, VECTORS = Decoder(flight()), Decoder(matrix())


def columns(*fields: tuple[str, str], **limits: Any) -> Decoder:
    inputs = [{"name": name, "type": kind, "required": True} for name, kind in fields]
    return Decoder(Signature.from_json({"inputs": inputs, "metadata": {"constraints": limits}}))


def texts(*items: bytes) -> bytes:
    return b"".join(len(item).to_bytes(4, "little") + item for item in items)


def tensor(name: str, datatype: str, raw: bytes, shape: list[int], **more: Any) -> tuple[dict[str, Any], bytes]:
    said = {"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": len(raw)}}
    return {**said, **more}, raw


def numbers(name: str, dtype: str, datatype: str, values: Any, **more: Any) -> tuple[dict[str, Any], bytes]:
    found = np.array(values, dtype)
    return tensor(name, datatype, found.tobytes(), list(found.shape), **more)


def send(decoder: Decoder, *tensors: tuple[dict[str, Any], bytes], more: bytes = b"", **rest: Any) -> Request:
    head = json.dumps({"inputs": [said for said, _ in tensors], **rest}).encode()
    return decoder.decode_binary(head + b"".join(raw for _, raw in tensors) + more, str(len(head)))


def test_columns_of_every_type_come_as_bytes() -> None:
    decoder = columns(
        ("f", "boolean"), ("i", "integer"), ("l", "long"), ("r", "float"), ("d", "double"), ("t", "string")
    )
    found = send(
        decoder,
        numbers("f", "?", "BOOL", [True, False]),
        numbers("i", "<i4", "INT32", [1, -2]),
        numbers("l", "<i8", "INT64", [2**62, -(2**63)]),
        numbers("r", "<f4", "FP32", [0.5, -1]),
        numbers("d", "<f8", "FP64", [0.1, 1e300]),
        tensor("t", "BYTES", texts("é".encode(), b""), [2]),
    ).batch
    assert {name: values.tolist() for name, values in found.columns.items()} == {
        "f": [True, False],
        "i": [1, -2],
        "l": [2**62, -(2**63)],
        "r": [0.5, -1.0],
        "d": [0.1, 1e300],
        "t": ["é", ""],
    }
    assert [str(values.dtype) for values in found.columns.values()] == [
        "bool", "int32", "int64", "float32", "float64", "object",
    ]  # fmt: skip


def test_a_matrix_fills_all_columns_and_some_may_be_json() -> None:
    decoder = columns(("a", "double"), ("b", "double"))
    assert send(decoder, numbers("input", "<f8", "FP64", [[1, 2], [3, 4]])).batch.matrix(float).tolist() == [
        [1, 2],
        [3, 4],
    ]
    mixed = send(
        decoder,
        ({"name": "a", "datatype": "FP64", "shape": [2], "data": [1, 2]}, b""),
        numbers("b", "<f8", "FP64", [3, 4]),
        id="x",
    )
    assert (mixed.id, mixed.batch.matrix(float).tolist()) == ("x", [[1, 3], [2, 4]])


def test_half_precision_is_welcome_as_bytes_only() -> None:
    assert send(VECTORS, numbers("input", "<f2", "FP16", [[0.5, 1, 2]])).batch.columns["input"].tolist() == [
        [0.5, 1, 2]
    ]
    said = {"name": "input", "datatype": "FP16", "shape": [1, 3], "data": [0.5, 1, 2]}
    with pytest.raises(ContractError, match="FP16 cannot be sent as JSON"):
        VECTORS.decode_v2(json.dumps({"inputs": [said]}).encode())


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused_with_row_and_field(wrong: float) -> None:
    decoder = columns(("a", "double"), ("b", "double"))
    with pytest.raises(ContractError, match=r"rows\[1\].b: must be a finite number") as error:
        send(decoder, numbers("input", "<f8", "FP64", [[1, 2], [3, wrong]]))
    assert error.value.details == [{"row": 1, "field": "b", "rule": "must be a finite number"}]
    with pytest.raises(ContractError, match=r"rows\[0\].input: value 2 must be a finite number"):
        send(VECTORS, numbers("input", "<f4", "FP32", [[1, wrong, 3]]))


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"distance": numbers("distance", "<i8", "INT64", [0])}, r"rows\[0\].distance: must be greater than 0"),
        ({"distance": numbers("distance", "<u8", "UINT64", [2**64 - 1])}, "distance: must be at most 5000"),
        ({"distance": numbers("distance", "<f8", "FP64", [529])}, "the datatype must be INT64"),
        ({"hour": numbers("hour", "<f8", "FP64", [24])}, "hour: must be less than 24"),
        ({"hour": numbers("hour", "<i8", "INT64", [-1])}, "hour: must be at least 0"),
        ({"origin": tensor("origin", "BYTES", texts(b"JF"), [1])}, "origin: must be one of EWR, JFK, LGA"),
        ({"origin": tensor("origin", "BYTES", texts(b"\xff\xfe"), [1])}, "element 0 is not UTF-8 text"),
        ({"origin": tensor("origin", "BYTES", texts(b"JFK") + b"x", [1])}, "larger than the 1 elements"),
        ({"origin": tensor("origin", "BYTES", b"\xff\xff\xff\xffJFK", [1])}, "longer than the bytes"),
        ({"origin": tensor("origin", "BYTES", b"JFK", [1])}, "too small for the 1 elements"),
        ({"hour": tensor("hour", "FP64", bytes(7), [1])}, "binary_data_size must be 8"),
        ({"hour": numbers("hour", "<f8", "FP64", [1], data=[1])}, "has both data and binary_data_size"),
        ({"hour": numbers("hour", "<f8", "FP64", [1], parameters={"binary_data_size": "8"})}, "must be a whole number"),
        (
            {"hour": numbers("hour", "<f8", "FP64", [1], parameters={"binary_data_size": True})},
            "must be a whole number",
        ),
        ({"hour": numbers("hour", "<f8", "FP64", [1], parameters={"binary_data_size": -8})}, "must be a whole number"),
        ({"hour": numbers("hour", "<f8", "FP64", [1], parameters={})}, "bytes follow the JSON"),
    ],
)
def test_what_does_not_fit_is_refused(sent: dict[str, Any], words: str) -> None:
    right = {
        "distance": numbers("distance", "<i8", "INT64", [529]),
        "hour": numbers("hour", "<f8", "FP64", [6.5]),
        "origin": tensor("origin", "BYTES", texts(b"JFK"), [1]),
    }
    assert send(FLIGHT, *right.values()).batch.rows == 1
    with pytest.raises(ContractError, match=words):
        send(FLIGHT, *{**right, **sent}.values())


def test_bytes_that_nobody_asked_for_are_refused() -> None:
    with pytest.raises(
        ContractError, match="25 bytes follow the JSON, and the inputs' binary_data_size together say 24"
    ):
        send(VECTORS, numbers("input", "<f8", "FP64", [[1, 2, 3]]), more=b"x")


@pytest.mark.parametrize("length", ["", "-1", "+5", "1e1", " 5", "٥", "99999999999999999999", "1000", "5_0"])
def test_a_header_length_that_cannot_be_is_refused(length: str) -> None:
    with pytest.raises(ContractError, match="Inference-Header-Content-Length"):
        VECTORS.decode_binary(b'{"inputs":[]}', length)


def test_a_byte_that_is_neither_true_nor_false_is_refused() -> None:
    with pytest.raises(ContractError, match="must be 0 or 1"):
        send(columns(("f", "boolean")), tensor("f", "BOOL", b"\x02", [1]))


def test_whole_numbers_that_would_change_are_refused() -> None:
    decoder = columns(("a", "long"), ("b", "double"))
    assert send(decoder, numbers("input", "<f8", "FP64", [[529, 0.5]])).batch.columns["a"].tolist() == [529]
    with pytest.raises(ContractError, match=r"rows\[0\].a: must be a whole number"):
        send(decoder, numbers("input", "<f8", "FP64", [[1.5, 0.5]]))
    with pytest.raises(ContractError, match=r"rows\[0\].b: is too large to become FP64 without loss"):
        send(decoder, numbers("input", "<i8", "INT64", [[1, 2**53 + 1]]))
    with pytest.raises(ContractError, match=r"rows\[0\].a"):
        send(decoder, numbers("input", "<f8", "FP64", [[2.0**63, 0.5]]))


def test_a_limit_is_told_by_the_column_of_the_matrix() -> None:
    decoder = columns(("a", "long"), ("b", "double"), a={"gt": 0}, b={"lt": 1})
    with pytest.raises(ContractError) as error:
        send(decoder, numbers("input", "<f8", "FP64", [[-5, 0.5], [1, 1]]))
    assert error.value.details == [
        {"row": 0, "field": "a", "rule": "must be greater than 0"},
        {"row": 1, "field": "b", "rule": "must be less than 1"},
    ]


def test_a_shape_that_claims_more_than_was_sent_costs_no_memory() -> None:
    tracemalloc.start()
    try:
        for kind, shape in (("FP64", [9999, 2**31]), ("BYTES", [9999, 2**31])):
            with pytest.raises(ContractError):
                send(VECTORS if kind == "FP64" else FLIGHT, tensor("input", kind, b"1234", shape))
        with pytest.raises(ContractError, match="too small"):
            send(columns(("t", "string")), tensor("t", "BYTES", b"1234", [9999]))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=80), st.integers(0, 90), st.sampled_from(["BYTES", "FP64", "INT64", "BOOL"]), st.integers(0, 4)
)
def test_any_bytes_are_read_or_refused(raw: bytes, size: int, datatype: str, rows: int) -> None:
    said = {"name": "origin", "datatype": datatype, "shape": [rows], "parameters": {"binary_data_size": size}}
    head = json.dumps({"inputs": [said]}).encode()
    decoder = columns(("origin", {"BYTES": "string", "BOOL": "boolean", "INT64": "long"}.get(datatype, "double")))
    with suppress(ContractError):
        assert decoder.decode_binary(head + raw, str(len(head))).batch.rows == rows


def test_outputs_are_written_little_endian_and_texts_with_their_length() -> None:
    assert binary.encode("FP64", np.array([1.5, -2.0])) == np.array([1.5, -2.0], "<f8").tobytes()
    assert binary.encode("INT64", [1, 2]) == np.array([1, 2], "<i8").tobytes()
    assert binary.encode("BOOL", [True, False]) == b"\x01\x00"
    assert binary.encode("BYTES", ["é", ""]) == texts("é".encode(), b"")
