"""The contract: the fast decoder and the patient one agree; a refusal names row, field and rule, never the value."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.contract import ContractError, Decoder, Signature, SignatureError, differences, explaining
from serving.tests.builders import flight, matrix

GOOD = {"distance": 529, "hour": 6.5, "origin": "JFK"}
FLIGHT, MATRIX = Decoder(flight()), Decoder(matrix())
OPTIONAL = Decoder(
    Signature.from_json(
        {
            "inputs": [
                {"name": "a b", "type": "integer", "required": True},
                {"name": "note", "type": "string", "required": False},
                {"name": "x", "type": "float", "required": False},
                {"name": "yes", "type": "boolean", "required": True},
            ]
        }
    )
)


def body(*rows: Any) -> bytes:
    return json.dumps({"instances": list(rows)}).encode()


def refusal(data: bytes, decoder: Decoder = FLIGHT) -> ContractError:
    with pytest.raises(ContractError) as caught:
        decoder.decode_v1(data)
    return caught.value


def test_rows_may_be_objects_or_plain_lists() -> None:
    by_name = FLIGHT.decode_v1(body(GOOD, {**GOOD, "distance": 1}))
    by_place = FLIGHT.decode_v1(body([529, 6.5, "JFK"], [1, 6.5, "JFK"]))
    assert by_name.rows == by_place.rows == 2
    for name in ("distance", "hour", "origin"):
        assert by_name.columns[name].tolist() == by_place.columns[name].tolist()
    assert [values.dtype for values in by_name.columns.values()] == [np.int64, np.float64, object]


@pytest.mark.parametrize(
    ("change", "field", "rule"),
    [
        ({"distance": 0}, "distance", "must be greater than 0"),
        ({"distance": 5001}, "distance", "must be at most 5000"),
        ({"distance": 1.5}, "distance", "must be a whole number, written without a decimal point"),
        ({"distance": True}, "distance", "must be a whole number"),
        ({"distance": "529"}, "distance", "must be a whole number"),
        ({"distance": None}, "distance", "must be a whole number, not null"),
        ({"distance": 2**70}, "distance", "must be at most 5000"),
        ({"hour": 24}, "hour", "must be less than 24"),
        ({"hour": math.nan}, "hour", "must be a finite number"),
        ({"hour": math.inf}, "hour", "must be a finite number"),
        ({"hour": [1]}, "hour", "must be a number"),
        ({"origin": "SFO"}, "origin", "must be one of EWR, JFK, LGA"),
        ({"origin": 5}, "origin", "must be text"),
        ({"extra": 1}, "extra", "is not a field of this model"),
    ],
)
def test_a_refusal_names_the_row_the_field_and_the_rule(change: dict[str, Any], field: str, rule: str) -> None:
    error = refusal(body(GOOD, {**GOOD, **change}))
    assert error.details == [{"row": 1, "field": field, "rule": rule}]
    assert str(error) == f"instances[1].{field}: {rule}"


def test_a_missing_field_is_refused_by_name() -> None:
    assert str(refusal(body({"distance": 1, "hour": 2}))) == "instances[0].origin: is required"


def test_a_field_given_twice_is_refused() -> None:
    data = b'{"instances":[{"distance":1,"hour":2,"origin":"JFK","distance":3}]}'
    assert str(refusal(data)) == "instances[0].distance: is given twice"


def test_an_escaped_field_given_twice_is_refused_too() -> None:
    data = b'{"instances":[{"distance":1,"hour":2,"origin":"JFK","\\u0064istance":3}]}'
    assert str(refusal(data)) == "instances[0].distance: is given twice"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not valid JSON"),
        (b"[1", "not valid JSON (line 1, column 3)"),
        (b"\xff", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", 'must be {"instances"'),
        (b'{"instances":[]}', "at least one row"),
        (b'{"instances":{}}', "at least one row"),
        (b'{"instances":[1]}', "must be an object of fields or a list of values"),
        (b'{"instances":[[1,2]]}', "must hold 3 values"),
        (b'{"instances":[[1,2,"JFK",4]]}', "must hold 3 values"),
        (b'{"instances":[[1,2,"JFK"],{}]}', "all objects or all lists"),
        (b'{"instances":[[1,2,"JFK"]],"more":1}', "holds other names"),
        (b'{"instances":[[1,2,"JFK"]],"instances":[[1,2,"JFK"]]}', "twice"),
        (b'{"instances":[[1,' + b"9" * 5000 + b',"JFK"]]}', "cannot|can be read|too long"),
    ],
)
def test_a_body_of_another_form_is_refused_in_words(data: bytes, words: str) -> None:
    assert any(word in str(refusal(data)) for word in words.split("|"))


def test_a_refusal_never_repeats_a_value() -> None:
    error = refusal(body({**GOOD, "origin": "s3cret", "\u0007bell": 1, "x" * 80: 1}))
    assert "s3cret" not in str(error.details)
    assert "bell" not in str(error.details)
    assert "xxx" not in str(error.details)


def test_at_most_twenty_broken_rules_are_told() -> None:
    error = refusal(body(*[{**GOOD, "distance": 0}] * 50))
    assert len(error.details) == 20
    assert "19 more" in str(error)


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**66), 2**66),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["JFK", "EWR"]),
    st.integers(1, 20),
    st.lists(st.integers(), max_size=3),
)
rows = st.one_of(
    st.dictionaries(
        st.sampled_from(["distance", "hour", "origin", "a b", "note", "x", "yes", "q"]), values, max_size=5
    ),
    st.lists(values, max_size=5),
    values,
    st.fixed_dictionaries({"distance": values, "hour": values, "origin": values}),
    st.fixed_dictionaries({"a b": values, "yes": values}, optional={"note": values, "x": values}),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(rows, max_size=3), st.sampled_from([FLIGHT, MATRIX, OPTIONAL]), st.booleans())
def test_the_fast_decoder_accepts_exactly_what_the_patient_one_does(
    sent: list[Any], decoder: Decoder, ascii_only: bool
) -> None:
    data = json.dumps({"instances": sent}, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    fast = patient = None
    try:
        decoder.decode_v1(data)
    except ContractError as error:
        fast = error
    try:
        explaining.refuse_v1(data, decoder.fields)
    except ContractError as error:
        patient = error
    assert str(fast) == str(patient)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_make_the_decoder_fail_in_another_way(data: bytes) -> None:
    for decoder in (FLIGHT, MATRIX, OPTIONAL):
        with pytest.raises(ContractError):
            decoder.decode_v1(data)
        with pytest.raises(ContractError):
            decoder.decode_v2(data)


def limits() -> st.SearchStrategy[dict[str, float]]:
    low, high = st.integers(-1000, 0), st.integers(1, 1000)
    return st.builds(
        lambda a, b, x, y: {x: a, y: b}, low, high, st.sampled_from(["gt", "ge"]), st.sampled_from(["lt", "le"])
    )


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(["integer", "long", "float", "double"]), st.one_of(st.just({}), limits()), st.integers(0, 2**32))
def test_every_drawn_row_is_accepted(kind: str, given_limits: dict[str, float], seed: int) -> None:
    column = {"name": "x", "type": kind, "required": True}
    text = {"name": "t", "type": "string", "required": True}
    if given_limits and kind in ("integer", "long") and given_limits == {"gt": 0, "lt": 1}:
        return
    signature = Signature.from_json({"inputs": [column, text], "metadata": {"constraints": {"x": given_limits}}})
    drawn = signature.draw(np.random.default_rng(seed), 20, like=[{"x": 3, "t": "seen"}])
    assert Decoder(signature).batch(drawn).rows == 20
    assert {row["t"] for row in drawn} == {"seen"}


def test_drawn_tensors_are_accepted() -> None:
    signature = matrix(4, "float32", ge=0, le=1)
    batch = Decoder(signature).batch(signature.draw(np.random.default_rng(1), 7))
    assert batch.columns["input"].shape == (7, 4)
    assert batch.columns["input"].dtype == np.float32


def test_a_signature_comes_back_as_it_went() -> None:
    for signature in (flight(), matrix(3, ge=0.0), OPTIONAL.signature):
        assert Signature.from_json(json.loads(json.dumps(signature.to_json()))) == signature


@pytest.mark.parametrize(
    ("inputs", "limits", "words"),
    [
        ([], {}, "no inputs"),
        ([{"name": "x", "type": "datetime"}], {}, "datetime is not served"),
        ([{"name": "x", "type": "long"}, {"name": "x", "type": "long"}], {}, "same name: x"),
        ([{"name": "x", "type": "string"}], {"x": {"gt": 1}}, "need a numeric type"),
        ([{"name": "x", "type": "long"}], {"x": {"gt": 5, "lt": 6}}, "no value can meet"),
        ([{"name": "x", "type": "double"}], {"x": {"gt": 5, "le": 5}}, "no value can meet"),
        ([{"name": "x", "type": "double"}], {"x": {"values": [1.5]}}, "list of values needs"),
        ([{"name": "x", "type": "string"}], {"x": {"values": []}}, "at least one value"),
        ([{"name": "x", "type": "string"}], {"x": {"values": ["a", 1]}}, "must be text"),
        ([{"name": "x", "type": "long", "required": False}], {}, "can be optional"),
        ([{"name": "x", "type": "long"}], {"y": {"gt": 1}}, "do not exist: y"),
        ([{"name": "x", "type": "long"}], {"x": {"above": 1}}, "unknown limits"),
        ([{"type": "long"}], {}, "every column needs a name"),
        ([{"name": "x", "type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [2]}}], {}, "must be -1"),
        (
            [{"name": "x", "type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, -1]}}],
            {},
            "first dimension",
        ),
    ],
)
def test_a_signature_that_cannot_be_served_is_refused_in_words(
    inputs: list[Any], limits: dict[str, Any], words: str
) -> None:
    with pytest.raises(SignatureError, match=words):
        Signature.from_json({"inputs": inputs, "metadata": {"constraints": limits}}).check()


def changed(name: str, **limits: Any) -> Signature:
    data = flight().to_json()
    data["metadata"]["constraints"][name] = limits
    return Signature.from_json(data)


@pytest.mark.parametrize(
    ("candidate", "words"),
    [
        (flight(), []),
        (changed("distance", gt=-5), []),
        (changed("distance", gt=10, le=5000), ["distance: the lower limit is tighter"]),
        (changed("distance", gt=0, lt=5000), ["distance: the upper limit is tighter"]),
        (changed("hour", gt=0, lt=24), ["hour: the lower limit is tighter"]),
        (changed("origin", values=["EWR", "JFK"]), ["origin: these values are refused now: LGA"]),
        (changed("origin"), []),
        (matrix(), ["one takes named columns, the other a tensor"]),
    ],
)
def test_differences_list_what_the_candidate_refuses(candidate: Signature, words: list[str]) -> None:
    assert differences(flight(), candidate) == words


def test_the_schema_carries_types_limits_and_values() -> None:
    row = flight().json_schema()["properties"]["instances"]["anyOf"][0]["items"]
    assert row["properties"]["distance"] == {"type": "integer", "minimum": 1, "maximum": 5000, "description": "(miles)"}
    assert row["properties"]["hour"] == {"type": "number", "minimum": 0, "exclusiveMaximum": 24}
    assert row["properties"]["origin"] == {"type": "string", "enum": ["EWR", "JFK", "LGA"]}
    assert row["required"] == ["distance", "hour", "origin"]
