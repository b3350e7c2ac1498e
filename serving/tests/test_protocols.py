"""V2 and V1 inside the test's own process: names, shapes and forms of what a gateway answers."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from serving.gateway.messages import Reply, Request
from serving.routing import Route, RouteTable, Target
from serving.tests.builders import matrix
from serving.tests.forms import ROW, package, pipeline
from serving.tests.inside import Inside

INPUTS = np.random.default_rng(0).random((60, 3))
NAMED = {
    "inputs": [{"name": name, "type": "double", "required": True} for name in "abc"],
    "outputs": [{"name": "low", "type": "double"}, {"name": "high", "type": "double"}],
}
TENSOR = {"name": "input", "shape": [2, 3], "datatype": "FP64", "data": [0.9, 0.1, 0.1, 0.1, 0.1, 0.1]}
ROWS = [[0.9, 0.1, 0.1], [0.1, 0.1, 0.1]]


def classifier(artefacts: Path, number: int, labels: list[Any]) -> Target:
    model = LogisticRegression().fit(INPUTS, np.array(labels)[(INPUTS[:, 0] > 0.5).astype(int)])
    return pipeline(artefacts, number, model, matrix().to_json(), classes=labels)


def two_outputs(artefacts: Path, number: int, signature: dict[str, Any]) -> Target:
    return pipeline(artefacts, number, LinearRegression().fit(INPUTS, INPUTS[:, :2]), signature)


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Inside:
    folder = tmp_path_factory.mktemp("inside")
    store = folder / "artefacts"
    store.mkdir()
    declared = matrix().to_json() | {
        "outputs": [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 1]}}]
    }
    targets = {
        "eta": package(store, 1),
        "words": classifier(store, 2, ["early", "late"]),
        "flags": classifier(store, 3, [False, True]),
        "numbers": classifier(store, 4, [7, 9]),
        "fractions": classifier(store, 5, [1.0, 2.0]),
        "named": two_outputs(store, 6, NAMED),
        "wide": two_outputs(store, 7, matrix().to_json()),
        "column": pipeline(store, 8, LinearRegression().fit(INPUTS, INPUTS[:, :1]), declared),
    }
    return Inside(
        folder, RouteTable("dev", 1, {name: Route(name, (item,)) for name, item in targets.items()}, keyless=True)
    )


def ask(inside: Inside, path: str, body: Any = None, **headers: str) -> Reply:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    method = "GET" if body is None else "POST"
    return asyncio.run(inside.gateway.answer(Request(method, path, named, sent, time.monotonic())))


def told(reply: Reply) -> Any:
    return json.loads(reply.body)


def outputs(inside: Inside, model: str, **more: Any) -> list[dict[str, Any]]:
    reply = ask(inside, f"/dev/v2/models/{model}/infer", {"inputs": [TENSOR], **more})
    assert reply.status == 200, reply.body
    return list(told(reply)["outputs"])


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        ("words", [("label", "BYTES", [-1]), ("probabilities", "FP64", [-1, 2])]),
        ("flags", [("label", "BOOL", [-1]), ("probabilities", "FP64", [-1, 2])]),
        ("numbers", [("label", "INT64", [-1]), ("probabilities", "FP64", [-1, 2])]),
        ("fractions", [("label", "FP64", [-1]), ("probabilities", "FP64", [-1, 2])]),
        ("named", [("low", "FP64", [-1]), ("high", "FP64", [-1])]),
        ("wide", [("prediction", "FP64", [-1, 2])]),
        ("column", [("prediction", "FP64", [-1, 1])]),
    ],
)
def test_answers_have_the_names_types_and_shapes_that_the_metadata_declares(
    inside: Inside, model: str, wanted: list[Any]
) -> None:
    declared = told(ask(inside, f"/dev/v2/models/{model}"))["outputs"]
    assert [(item["name"], item["datatype"], item["shape"]) for item in declared] == wanted
    for declared_one, found in zip(declared, outputs(inside, model), strict=True):
        assert found["shape"] == [2, *declared_one["shape"][1:]]
        assert (found["name"], found["datatype"]) == (declared_one["name"], declared_one["datatype"])
        assert len(found["data"]) == int(np.prod(found["shape"]))


DTYPES = {"FP64": "<f8", "INT64": "<i8", "BOOL": "?"}


@pytest.mark.parametrize("model", ["words", "flags", "numbers", "fractions", "named", "wide", "column"])
def test_binary_answers_are_the_json_ones(inside: Inside, model: str) -> None:
    body = {"inputs": [TENSOR], "parameters": {"binary_data_output": True}}
    reply = ask(inside, f"/dev/v2/models/{model}/infer", body)
    headers = dict(reply.headers)
    length = int(headers["inference-header-content-length"])
    head, raw = json.loads(reply.body[:length]), reply.body[length:]
    assert headers["content-type"] == "application/octet-stream"
    for found, wanted in zip(head["outputs"], outputs(inside, model), strict=True):
        size = found.pop("parameters")["binary_data_size"]
        part, raw = raw[:size], raw[size:]
        assert found == {name: wanted[name] for name in ("name", "datatype", "shape")}
        assert read(found["datatype"], part) == wanted["data"]
    assert raw == b""


def read(datatype: str, raw: bytes) -> list[Any]:
    if datatype != "BYTES":
        return list(np.frombuffer(raw, DTYPES[datatype]).tolist())
    found = []
    while raw:
        size = int.from_bytes(raw[:4], "little")
        found.append(raw[4 : 4 + size].decode())
        raw = raw[4 + size :]
    return found


def test_one_output_may_be_binary_and_another_json(inside: Inside) -> None:
    asked = [{"name": "probabilities", "parameters": {"binary_data": True}}, {"name": "label"}]
    reply = ask(inside, "/dev/v2/models/words/infer", {"inputs": [TENSOR], "outputs": asked})
    length = int(dict(reply.headers)["inference-header-content-length"])
    first, second = json.loads(reply.body[:length])["outputs"]
    assert (first["parameters"], "data" in first, len(reply.body) - length) == ({"binary_data_size": 32}, False, 32)
    assert second["data"] == ["late", "early"]


def test_a_binary_request_is_known_by_its_header(inside: Inside) -> None:
    raw = np.array(ROWS, "<f8").tobytes()
    said = {key: TENSOR[key] for key in ("name", "shape", "datatype")}
    head = json.dumps({"inputs": [{**said, "parameters": {"binary_data_size": len(raw)}}]}).encode()
    length = str(len(head))
    for form in ({"content_type": "application/octet-stream"}, {}):
        reply = ask(inside, "/dev/v2/models/words/infer", head + raw, inference_header_content_length=length, **form)
        assert (reply.status, told(reply)["outputs"][0]["data"]) == (200, ["late", "early"])
    reply = ask(inside, "/dev/v2/models/words/infer", head + raw, content_type="application/octet-stream")
    assert (reply.status, "needs the header Inference-Header-Content-Length" in told(reply)["error"]) == (400, True)


def test_the_matrix_of_columns_is_told_in_the_properties(inside: Inside) -> None:
    found = told(ask(inside, "/dev/v2/models/named"))
    assert [item["name"] for item in found["inputs"]] == ["a", "b", "c"]
    assert json.loads(found["properties"]["matrix_input"]) == {
        "name": "input",
        "datatype": "FP64",
        "shape": [-1, 3],
        "columns": ["a", "b", "c"],
    }
    assert len(outputs(inside, "named")) == 2
    assert "matrix_input" not in told(ask(inside, "/dev/v2/models/eta")).get("properties", {})
    assert json.loads(told(ask(inside, "/dev/v2/models/numbers"))["properties"]["classes"]) == [7, 9]


@pytest.mark.parametrize(
    ("model", "asked", "wanted"),
    [
        ("words", ["label"], ["late", "early"]),
        ("numbers", ["label"], [9, 7]),
        ("named", ["high"], [0.1, 0.1]),
        ("wide", ["prediction"], [[0.9, 0.1], [0.1, 0.1]]),
        ("named", ["high", "low"], [{"high": 0.1, "low": 0.9}, {"high": 0.1, "low": 0.1}]),
    ],
)
def test_v1_gives_what_the_parameters_ask_for(inside: Inside, model: str, asked: list[str], wanted: list[Any]) -> None:
    rows = [dict(zip("abc", row, strict=True)) for row in ROWS] if model == "named" else ROWS
    body = {"parameters": {"outputs": asked, "more": {"x": 1}}, "instances": rows}
    found = told(ask(inside, f"/dev/v1/models/{model}:predict", body))["predictions"]
    assert rounded(found) == wanted


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: rounded(part) for name, part in value.items()}
    if isinstance(value, list):
        return [rounded(part) for part in value]
    return round(value, 6) if isinstance(value, float) else value


def test_v1_gives_label_and_probabilities_together_or_alone(inside: Inside) -> None:
    body = {"instances": ROWS}
    both = told(ask(inside, "/dev/v1/models/words:predict", body))["predictions"]
    alone = told(ask(inside, "/dev/v1/models/words:predict", {**body, "parameters": {"outputs": ["probabilities"]}}))[
        "predictions"
    ]
    assert [item["probabilities"] for item in both] == alone
    assert alone[0].keys() == {"early", "late"}
    assert told(ask(inside, "/dev/v1/models/words:predict", {**body, "parameters": {}}))["predictions"] == both


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        (b'{"outputs":[]}', "parameters.outputs: must name at least one output, and each once"),
        (b'{"outputs":["label","label"]}', "parameters.outputs: must name at least one output, and each once"),
        (b'{"outputs":["x"]}', "1 of the outputs asked for do not exist; there are label, probabilities"),
        (b'{"outputs":"label"}', "the body must be"),
        (b"5", "the body must be"),
        (b'{},"more":1', "the body must be"),
        (b'{"outputs":["label"],"outputs":["label"]}', "gives a name twice: outputs"),
        (b'{},"parameters":{}', "gives a name twice: parameters"),
        (b'{},"instances":[]', "gives a name twice: instances"),
        (b'{"x":"\xff"}', "not UTF-8"),
        (b'{"x":' + b"[" * 10**5, "nested too deeply"),
    ],
)
def test_wrong_parameters_are_refused(inside: Inside, parameters: bytes, words: str) -> None:
    reply = ask(inside, "/dev/v1/models/words:predict", b'{"instances":[[1,2,3]],"parameters":%b}' % parameters)
    assert (reply.status, words in told(reply)["error"]) == (400, True), reply.body
    assert told(reply).keys() == {"error", "details"}


def test_wrong_rows_beside_parameters_are_told_by_row_and_field(inside: Inside) -> None:
    sent = {"parameters": {"outputs": ["minutes"]}, "instances": [ROW, {**ROW, "hour": 25}]}
    found = told(ask(inside, "/dev/v1/models/eta:predict", sent))
    assert found["details"] == [{"row": 1, "field": "hour", "rule": "must be less than 24"}]


@pytest.mark.parametrize("path", ["/", "/dev/"])
def test_kserves_client_finds_the_gateway_alive(inside: Inside, path: str) -> None:
    assert told(ask(inside, path)) == {"status": "alive"}
