"""The quick reading of tensor requests: what it accepts the patient one accepts too, with the same values."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.contract import ContractError, Decoder, Signature
from serving.contract.batch import join
from serving.tests.builders import flight, matrix


def numbers(*fields: tuple[str, str], **limits: Any) -> Signature:
    inputs = [{"name": name, "type": kind, "required": not name.startswith("o")} for name, kind in fields]
    return Signature.from_json({"inputs": inputs, "metadata": {"constraints": limits}})


SIGNATURES = {
    "flight": flight(),
    "tensor": matrix(),
    "whole": matrix(2, "int64", ge=-5),
    "doubles": numbers(("a", "double"), ("b", "double"), a={"gt": 0}, b={"le": 9.5}),
    "longs": numbers(("a", "long"), ("b", "integer")),
    "mixed": numbers(("a", "long"), ("b", "float"), ("o", "double")),
    "optional": numbers(("o", "double"), ("t", "string"), ("f", "boolean")),
}
DECODERS = {name: Decoder(signature) for name, signature in SIGNATURES.items()}
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 30),
    st.sampled_from([2**24 + 1, 2**31, 2**53 + 1, 2**63, 2**64, 10**30]),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.sampled_from(["JFK", "EWR", "", 'say "so"', 1e39, 0.5]),
)
DATATYPES = st.sampled_from(["FP64", "FP32", "FP16", "INT64", "INT32", "UINT8", "BOOL", "BYTES", "FLOAT"])
REST = {
    "id": ["a", "", None, 'q"', 5],
    "model_name": ["m", None],
    "parameters": [{}, {"a": "b", "c": 1}, {"a": None}, {"a": [1]}, None],
    "outputs": [[{"name": "x"}], [{"name": "x", "parameters": {"p": "q"}}], None, {}],
    "more": ["text", {"inputs": []}],
}
DOUBLED = ['"name":"b",', '"name":"a",', '"shape":[9],', '"datatype":"BYTES",', '"data":[7],', '"more":1,']


def nest(data: list[Any], shape: list[int]) -> list[Any]:
    return np.array(data, object).reshape(shape).tolist()


@st.composite
def tensors(draw: st.DrawFn, name: str, rows: int) -> list[dict[str, Any]]:
    """What the signature takes: one tensor per column, or all of them as one matrix."""
    decoder, signature = DECODERS[name], SIGNATURES[name]
    drawn = signature.draw(np.random.default_rng(draw(st.integers(0, 99))), rows)
    kinds = [(item.name, item.kind.v2, item.shape, [row[item.name] for row in drawn]) for item in signature.inputs]
    if draw(st.booleans()) and decoder.matrix:
        kinds = [("input", decoder.matrix.datatype, decoder.matrix.shape, [list(row.values()) for row in drawn])]
    sent = []
    for tensor_name, datatype, row, data in kinds:
        shape = [rows, *(row or draw(st.sampled_from([(), (), (1,)])))]
        flat = np.array(data, object).ravel().tolist()
        sent.append({"name": tensor_name, "datatype": datatype, "shape": shape, "data": flat})
    return sent


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, bytes]:
    """A request that is right, or wrong in one way."""
    name = draw(st.sampled_from(sorted(SIGNATURES)))
    inputs = draw(tensors(name, draw(st.integers(1, 3))))
    body: dict[str, Any] = {"inputs": draw(st.permutations(inputs))}
    one, change = (
        draw(st.sampled_from(inputs)),
        draw(st.sampled_from(["", "value", "datatype", "shape", "rest", "twice"])),
    )
    if change == "value":
        one["data"][draw(st.integers(0, len(one["data"]) - 1))] = draw(VALUES)
    elif change == "datatype":
        one["datatype"] = draw(DATATYPES)
    elif change == "shape":
        one["shape"][draw(st.integers(0, len(one["shape"]) - 1))] += draw(st.sampled_from([-1, 1]))
    elif change == "rest":
        key = draw(st.sampled_from(sorted(REST)))
        body[key] = draw(st.sampled_from(REST[key]))
    if draw(st.booleans()) and change != "shape":
        one["data"] = nest(one["data"], one["shape"])
    text = json.dumps(body, ensure_ascii=draw(st.booleans()))
    if change == "twice":
        text = text.replace('{"name"', "{" + draw(st.sampled_from(DOUBLED)) + '"name"', 1)
        text = draw(
            st.sampled_from([text, text.replace("{", '{"inputs":[],', 1), text.replace("{", '{"id":"a","id":"b",', 1)])
        )
    return name, text.encode()


def patient(decoder: Decoder, body: bytes) -> Any:
    try:
        return decoder._v2._patient(body, memoryview(b""))
    except ContractError as error:
        return error


@settings(max_examples=600, deadline=None)
@given(requests())
def test_what_is_read_quickly_is_what_the_patient_reading_gives(sent: tuple[str, bytes]) -> None:
    name, body = sent
    found = DECODERS[name]._v2._quick.decode(body)
    if found is None:
        return
    batch, rest = found
    wanted = patient(DECODERS[name], body)
    assert not isinstance(wanted, ContractError), str(wanted)
    assert (batch.rows, rest.id) == (wanted.batch.rows, wanted.id)
    for column, values in wanted.batch.columns.items():
        assert batch.columns[column].dtype == values.dtype
        np.testing.assert_array_equal(batch.columns[column], values)


def body(*inputs: Any, **more: Any) -> bytes:
    return json.dumps({"inputs": list(inputs), **more}).encode()


def tensor(name: str, datatype: str, data: Any, shape: list[int]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "data": data, "shape": shape}


USUAL = {
    "columns": ("doubles", [tensor("b", "FP64", [1.5, 2], [2]), tensor("a", "FP64", [1, 2], [2, 1])]),
    "a matrix": ("doubles", [tensor("input", "FP64", [1, 2, 3, 4], [2, 2])]),
    "a nested matrix": ("doubles", [tensor("input", "FP64", [[1, 2], [3, 4]], [2, 2])]),
    "a tensor": ("tensor", [tensor("input", "FP64", [1, 2, 3], [1, 3])]),
    "a nested tensor": ("tensor", [tensor("input", "FP64", [[1, 2, 3]], [1, 3])]),
    "texts and nulls": (
        "optional",
        [
            tensor("o", "FP64", [None, 1], [2]),
            tensor("t", "BYTES", ["x", ""], [2]),
            tensor("f", "BOOL", [True, False], [2]),
        ],
    ),
}


@pytest.mark.parametrize("case", USUAL)
@pytest.mark.parametrize(
    "more", [{}, {"id": "a"}, {"parameters": {"a": "b"}, "outputs": [{"name": "x"}], "model_name": "m"}]
)
def test_the_usual_forms_are_read_quickly(case: str, more: dict[str, Any]) -> None:
    name, inputs = USUAL[case]
    assert DECODERS[name]._v2._quick.decode(body(*inputs, **more)) is not None


def test_requests_of_every_form_share_a_call() -> None:
    decoder = DECODERS["doubles"]
    one = decoder.decode_v2(body(tensor("input", "FP64", [1, 2], [1, 2]))).batch
    two = decoder.decode_v2(body(tensor("input", "INT64", [3, 4], [1, 2]))).batch
    three = decoder.decode_v1(b'{"instances":[{"a":5,"b":6}]}')
    assert join([one, two, three]).matrix(np.float64).tolist() == [[1, 2], [3, 4], [5, 6]]
