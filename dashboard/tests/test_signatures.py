"""A signature in words."""

from __future__ import annotations

from dashboard import signatures

FLIGHT = {
    "inputs": [
        {"name": "distance", "type": "double", "required": True},
        {"name": "origin", "type": "string", "required": False},
    ],
    "outputs": [{"name": "minutes", "type": "double"}],
    "metadata": {
        "constraints": {"distance": {"gt": 0, "le": 5000, "unit": "miles"}, "origin": {"values": ["EWR", "JFK"]}}
    },
}


def test_each_field_says_its_rules_in_words() -> None:
    distance, origin = signatures.fields(FLIGHT)
    assert signatures.words(distance) == "number, greater than 0, at most 5000, in miles"
    assert signatures.words(origin) == "text, one of EWR, JFK, optional"


def test_a_long_list_of_values_is_cut_and_counted() -> None:
    assert signatures.rules({"values": list(range(20))})[0].endswith("11 and 8 more")


def test_a_tensor_says_its_shape() -> None:
    tensor = {"inputs": [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 30]}}]}
    assert signatures.fields(tensor)[0]["type"] == "30 numbers (float64)"
    assert signatures.fields(tensor)[0]["name"] == "input"


def test_changes_hold_added_gone_changed_and_unchanged_fields() -> None:
    after = {"inputs": [{"name": "distance", "type": "double"}, {"name": "speed", "type": "long"}]}
    changes = {row["name"]: (row["before"], row["after"]) for row in signatures.changes(FLIGHT, after)}
    assert changes == {
        "distance": ("number, greater than 0, at most 5000, in miles", "number"),
        "origin": ("text, one of EWR, JFK, optional", None),
        "speed": (None, "whole number"),
    }


def test_a_signature_without_anything_is_empty() -> None:
    assert signatures.fields({}) == []
    assert signatures.outputs({}) == []
