"""Open Inference Protocol requests: flat and nested are one, and nothing is lost or guessed."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest

from serving.contract import ContractError, Decoder, Signature
from serving.tests.builders import flight, matrix

OPTIONAL = {
    "inputs": [
        {"name": "a", "type": "double", "required": False},
        {"name": "b", "type": "double", "required": True},
    ]
}
FLIGHT, MATRIX = Decoder(flight()), Decoder(matrix())


def tensor(name: str, datatype: str, data: Any, shape: list[int]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "data": data, "shape": shape}


def body(*inputs: Any, **more: Any) -> bytes:
    return json.dumps({"inputs": list(inputs), **more}).encode()


def flights(**change: Any) -> bytes:
    sent = {
        "distance": tensor("distance", "INT64", [529, 94], [2]),
        "hour": tensor("hour", "FP64", [6.5, 7], [2, 1]),
        "origin": tensor("origin", "BYTES", ["JFK", "EWR"], [2]),
    }
    return body(*{**sent, **change}.values())


def test_columns_come_as_one_tensor_each() -> None:
    request = FLIGHT.decode_v2(flights(hour=tensor("hour", "FP64", [[6.5], [7]], [2, 1])))
    assert {name: values.tolist() for name, values in request.batch.columns.items()} == {
        "distance": [529, 94],
        "hour": [6.5, 7.0],
        "origin": ["JFK", "EWR"],
    }


def test_flat_and_nested_data_are_one() -> None:
    flat = MATRIX.decode_v2(body(tensor("input", "FP64", [1, 2, 3, 4, 5, 6], [2, 3]), id="a"))
    nested = MATRIX.decode_v2(body(tensor("input", "FP64", [[1, 2, 3], [4, 5, 6]], [2, 3])))
    assert flat.batch.columns["input"].tolist() == nested.batch.columns["input"].tolist()
    assert (flat.id, nested.id) == ("a", None)


def test_whole_numbers_are_welcome_where_nothing_is_lost() -> None:
    assert MATRIX.decode_v2(body(tensor("input", "INT64", [1, 2, 3], [1, 3]))).batch.columns["input"].dtype == float
    with pytest.raises(ContractError, match="without loss"):
        MATRIX.decode_v2(body(tensor("input", "INT64", [1, 2, 2**53 + 1], [1, 3])))


def test_unknown_parameters_are_ignored() -> None:
    sent = {**tensor("input", "FP64", [1, 2, 3], [1, 3]), "parameters": {"a": 1}}
    assert MATRIX.decode_v2(body(sent, parameters={"b": "c"}, outputs=[{"name": "x"}])).outputs == ("x",)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ([], "at least one tensor"),
        ([tensor("input", "FP64", [1, 2, 3], [-1, 3])], ">= 0"),
        ([tensor("input", "FP64", [1, 2], [1, 3])], "as many elements"),
        ([tensor("input", "FP64", [1, 2, 3, 4, 5, 6], [3, 2])], r"shape must be \[-1, 3\]"),
        ([tensor("input", "FP64", [[1, 2], [3, 4], [5, 6]], [2, 3])], "exactly the shape"),
        ([tensor("input", "FLOAT", [1, 2, 3], [1, 3])], "does not exist"),
        ([tensor("input", "BYTES", ["1", "2", "3"], [1, 3])], "must be FP64"),
        ([tensor("input", "FP64", ["1", 2, 3], [1, 3])], r"input.data\[0\]: must be a number"),
        ([tensor("input", "FP64", [True, 2, 3], [1, 3])], "must be a number"),
        ([tensor("input", "INT64", [1.5, 2, 3], [1, 3])], "whole number of the datatype INT64"),
        ([tensor("input", "INT8", [1, 2, 300], [1, 3])], "whole number of the datatype INT8"),
        ([tensor("other", "FP64", [1, 2, 3], [1, 3])], "does not have"),
        ([tensor("input", "FP64", [], [0, 3])], "at least 1 row"),
        ([tensor("input", "FP64", [1, 2, 3], [1, 3])] * 2, "each tensor once"),
        ([{"name": "input", "shape": [1, 3], "data": [1, 2, 3]}], "missing required field `datatype`"),
    ],
)
def test_what_does_not_fit_is_refused(inputs: list[Any], words: str) -> None:
    with pytest.raises(ContractError, match=words):
        MATRIX.decode_v2(body(*inputs))


def test_limits_hold_for_tensors_too() -> None:
    with pytest.raises(ContractError, match=r"distance.data\[1\]: must be greater than 0"):
        FLIGHT.decode_v2(flights(distance=tensor("distance", "INT64", [1, 0], [2])))
    with pytest.raises(ContractError, match="origin: is required"):
        FLIGHT.decode_v2(body(tensor("distance", "INT64", [1], [1]), tensor("hour", "FP64", [1], [1])))


@pytest.mark.parametrize("more", [{"id": 5}, {"outputs": "x"}])
def test_a_malformed_request_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(ContractError, match="not an inference request"):
        MATRIX.decode_v2(body(tensor("input", "FP64", [1, 2, 3], [1, 3]), **more))


def test_a_shape_without_its_data_costs_no_memory_for_the_inputs_left_out() -> None:
    decoder = Decoder(Signature.from_json(OPTIONAL))
    sent = body(tensor("b", "FP64", [], [2**31]))
    tracemalloc.start()
    try:
        with pytest.raises(ContractError):
            decoder.decode_v2(sent)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_an_input_left_out_is_empty_in_every_row() -> None:
    columns = Decoder(Signature.from_json(OPTIONAL)).decode_v2(body(tensor("b", "FP64", [1, 2], [2]))).batch.columns
    assert (list(columns), str(columns["a"].tolist())) == (["a", "b"], "[nan, nan]")
