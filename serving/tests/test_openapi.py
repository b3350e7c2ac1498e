"""The description of a model's addresses: valid, true to what the gateway accepts and answers, and guarded by keys."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from serving.gateway.messages import Request
from serving.gateway.protocols.openapi import STATUSES
from serving.routing import Key, Route, RouteTable
from serving.tests.builders import matrix
from serving.tests.forms import package, pipeline
from serving.tests.inside import Inside

INPUTS = np.random.default_rng(0).random((60, 3))
MIXED = {
    "inputs": [
        {"name": "a", "type": "double", "required": True},
        {"name": "b", "type": "long", "required": True},
        {"name": "c", "type": "float", "required": False},
    ],
    "outputs": [{"name": "low", "type": "double"}, {"name": "high", "type": "double"}],
}


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Inside:
    folder = tmp_path_factory.mktemp("inside")
    store = folder / "artefacts"
    store.mkdir()
    labels = np.where(INPUTS[:, 0] > 0.5, "late", "early")
    targets = {
        "eta": package(store, 1),
        "words": pipeline(
            store, 2, LogisticRegression().fit(INPUTS, labels), matrix().to_json(), classes=["early", "late"]
        ),
        "mixed": pipeline(store, 3, LinearRegression().fit(INPUTS, INPUTS[:, :2]), MIXED),
    }
    routes = {name: Route(name, (item,)) for name, item in targets.items()}
    return Inside(folder, RouteTable("dev", 1, routes, keyless=True))


def ask(inside: Inside, path: str, body: Any = None) -> tuple[int, Any]:
    sent = b"" if body is None else json.dumps(body).encode()
    request = Request("GET" if body is None else "POST", path, {}, sent, time.monotonic())
    reply = asyncio.run(inside.gateway.answer(request))
    return reply.status, json.loads(reply.body)


def described(inside: Inside, model: str) -> dict[str, Any]:
    status, found = ask(inside, f"/dev/v2/models/{model}/openapi.json")
    assert status == 200
    return dict(found)


def valid(document: dict[str, Any], name: str, value: Any) -> bool:
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    return bool(jsonschema.Draft202012Validator(schema).is_valid(value))


@pytest.mark.parametrize("model", ["eta", "words", "mixed"])
def test_every_schema_is_one_and_every_example_is_answered_as_described(inside: Inside, model: str) -> None:
    document = described(inside, model)
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            assert {int(status) for status in operation["responses"]} == {200, *STATUSES}
            sent = operation["requestBody"]["content"]["application/json"]["example"] if verb == "post" else None
            status, found = ask(inside, "/dev" + path.format(version=document["info"]["version"]), sent)
            assert status == 200, found
            if sent:
                protocol = "V1" if "/v1/" in path else "V2"
                assert valid(document, f"{protocol}Request", sent)
                assert valid(document, f"{protocol}Response", found)


@pytest.mark.parametrize("model", ["eta", "words", "mixed"])
def test_rows_drawn_from_the_signature_are_described_and_wrong_ones_are_not(inside: Inside, model: str) -> None:
    document = described(inside, model)
    signature = inside.pool.get(inside.table.routes[model].targets[0]).decoder.signature
    rows = signature.draw(np.random.default_rng(1), 20)
    plain = [row["input"] for row in rows] if signature.tensor else rows
    assert valid(document, "V1Request", {"instances": plain})
    for wrong in ([], [None], ["x"], [{}], [[]], [{**rows[0], "unknown": 1}]):
        assert not valid(document, "V1Request", {"instances": wrong})
        status, found = ask(inside, f"/dev/v1/models/{model}:predict", {"instances": wrong})
        assert (status, valid(document, "V1Error", found)) == (400, True)


def test_it_says_units_limits_values_and_which_outputs_there_are(inside: Inside) -> None:
    schemas = described(inside, "eta")["components"]["schemas"]
    row = schemas["V1Request"]["properties"]["instances"]["anyOf"][0]["items"]
    assert row["properties"]["distance"]["description"] == "(miles)"
    assert row["properties"]["origin"]["enum"] == ["EWR", "JFK", "LGA"]
    asked = schemas["V1Request"]["properties"]["parameters"]["properties"]["outputs"]
    assert asked["items"]["enum"] == ["minutes"]
    words = described(inside, "words")["components"]["schemas"]["V1Request"]
    assert words["properties"]["parameters"]["properties"]["outputs"]["items"]["enum"] == ["label", "probabilities"]


def test_the_matrix_of_mixed_columns_is_described(inside: Inside) -> None:
    document = described(inside, "mixed")
    tensor = {"name": "input", "shape": [1, 3], "datatype": "FP32", "data": [[0.5, 2, None]]}
    assert valid(document, "V2Request", {"inputs": [tensor]})
    assert not valid(document, "V2Request", {"inputs": [{**tensor, "datatype": "FP64"}]})


def test_it_is_guarded_by_the_same_keys(tmp_path: Path) -> None:
    (tmp_path / "artefacts").mkdir()
    target = package(tmp_path / "artefacts", 1)
    key = Key("0" * 64, "abcd", ("other",), False, None)
    table = RouteTable("dev", 1, {"eta": Route("eta", (target,))}, keys=(key,), keyless=False)
    assert ask(Inside(tmp_path, table), "/dev/v2/models/eta/openapi.json")[0] == 401
