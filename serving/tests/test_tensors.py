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
        ([tensor("input", "FP64", ["1", 2, 3], [1, 3])], r"rows\[0\].input: value 1 must be a number"),
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
    with pytest.raises(ContractError, match=r"rows\[1\].distance: must be greater than 0"):
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


def columns(*fields: tuple[str, str], **limits: Any) -> Decoder:
    inputs = [{"name": name, "type": kind, "required": name != "optional"} for name, kind in fields]
    return Decoder(Signature.from_json({"inputs": inputs, "metadata": {"constraints": limits}}))


LIMITED = columns(("a", "double"), ("b", "double"), a={"gt": 0}, b={"le": 9.5})
MIXED = columns(("a", "long"), ("b", "float"), ("optional", "double"))


@pytest.mark.parametrize("data", [[1, 2, 3.5, 9.5], [[1, 2], [3.5, 9.5]]])
@pytest.mark.parametrize("datatype", ["FP64", "FP32"])
def test_columns_of_numbers_may_come_as_one_matrix(data: Any, datatype: str) -> None:
    batch = LIMITED.decode_v2(body(tensor("input", datatype, data, [2, 2]))).batch
    assert {name: values.tolist() for name, values in batch.columns.items()} == {"a": [1, 3.5], "b": [2, 9.5]}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ([0, 1], r"rows\[0\].a: must be greater than 0"),
        ([1, 9.6], r"rows\[0\].b: must be at most 9.5"),
        (["1", 1], r"rows\[0\].a: must be a number"),
        ([1, None], r"rows\[0\].b: must be a number, not null"),
    ],
)
def test_a_matrix_is_checked_by_the_limits_of_its_columns(row: list[Any], words: str) -> None:
    for data in (row, [row]):
        with pytest.raises(ContractError, match=words):
            LIMITED.decode_v2(body(tensor("input", "FP64", data, [1, 2])))


def test_a_matrix_of_whole_numbers_and_fractions_keeps_both() -> None:
    batch = MIXED.decode_v2(body(tensor("input", "FP32", [529, 0.5, None], [1, 3]))).batch
    assert [(values.dtype.name, str(values.tolist())) for values in batch.columns.values()] == [
        ("int64", "[529]"),
        ("float32", "[0.5]"),
        ("float64", "[nan]"),
    ]
    with pytest.raises(ContractError, match=r"rows\[0\].a: must be a whole number"):
        MIXED.decode_v2(body(tensor("input", "FP32", [1.5, 0.5, 1], [1, 3])))
    with pytest.raises(ContractError, match=r"rows\[0\].a: must be a whole number, not null"):
        MIXED.decode_v2(body(tensor("input", "FP32", [None, 0.5, 1], [1, 3])))


def test_there_is_no_matrix_beside_texts_or_a_column_of_its_name() -> None:
    assert FLIGHT.matrix is None
    assert columns(("input", "double"), ("b", "double")).matrix is None
    assert MIXED.matrix is not None
    assert (MIXED.matrix.name, MIXED.matrix.datatype, MIXED.matrix.shape) == ("input", "FP32", (3,))
    assert columns(("a", "integer"), ("b", "long")).matrix.datatype == "INT64"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "doubled",
    [
        b'{"inputs":[],"inputs":[%b]}',
        b'{"id":"a","id":"b","inputs":[%b]}',
        b'{"inputs":[%b],"more":{"x":1,"x":2}}',
        b'{"inputs":[%b],"parameters":{"p":1,"p":"q"}}',
        b'{"inputs":[%b],"\\u0069d":"a","id":"b"}',
    ],
)
def test_a_name_that_is_given_twice_is_refused(doubled: bytes) -> None:
    sent = json.dumps(tensor("input", "FP64", [1, 2, 3], [1, 3])).encode()
    for right in (sent, sent.replace(b'"FP64"', b'"INT64"')):
        assert MATRIX.decode_v2(b'{"inputs":[%b],"more":{"x":1}}' % right).batch.rows == 1
        with pytest.raises(ContractError, match="gives a name twice"):
            MATRIX.decode_v2(doubled % right)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"", "not valid JSON"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ('{"inputs": []}'.encode("utf-16"), "not UTF-8|not valid JSON"),
        (b'{"inputs": [{"name": "\xff"}]}', "not UTF-8"),
        (b'{"more": "\xff", "inputs": [{"name":"input","datatype":"FP64","shape":[1,3],"data":[1,2,3]}]}', "not UTF-8"),
        (b'{"inputs": NaN}', "NaN and infinity are no JSON"),
        (b'{"inputs": ' + b"[" * 10**6, "nested too deeply"),
        (b'{"inputs": [], "more": ' + b"[" * 10**5 + b"]" * 10**5 + b"}", "nested too deeply"),
        (b'{"inputs": ' + b"9" * 5000 + b"}", "number too long"),
        (b'{"inputs": [], "parameters": {"a": {}}}', "Expected `bool"),
        (b"[]", "not an inference request"),
    ],
)
def test_what_cannot_be_read_says_why(sent: bytes, words: str) -> None:
    for read in (MATRIX.decode_v2, lambda sent: MATRIX.decode_binary(sent, str(len(sent)))):
        with pytest.raises(ContractError, match=words):
            read(sent)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"outputs": []}, "at least one output"),
        ({"outputs": [{"name": "x"}, {"name": "x"}]}, "each once"),
        ({"parameters": {"binary_data_output": 1}}, "binary_data_output must be true or false"),
        ({"outputs": [{"name": "x", "parameters": {"binary_data": "yes"}}]}, "binary_data must be true or false"),
    ],
)
def test_what_is_asked_of_the_outputs_is_checked(more: dict[str, Any], words: str) -> None:
    with pytest.raises(ContractError, match=words):
        MATRIX.decode_v2(body(tensor("input", "FP64", [1, 2, 3], [1, 3]), **more))


def test_each_output_may_be_asked_for_as_binary_data() -> None:
    own = {"name": "y", "parameters": {"binary_data": False}}
    asked = MATRIX.decode_v2(
        body(
            tensor("input", "FP64", [1, 2, 3], [1, 3]),
            outputs=[{"name": "x"}, own],
            parameters={"binary_data_output": True},
        )
    )
    assert (asked.outputs, asked.wants_raw("x"), asked.wants_raw("y")) == (("x", "y"), True, False)
