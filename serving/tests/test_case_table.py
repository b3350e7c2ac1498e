"""The Open Inference Protocol case by case: what two reference servers answer in many ways, this one answers in one."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from serving.gateway.messages import Reply, Request
from serving.routing import Route, RouteTable
from serving.tests.builders import matrix
from serving.tests.forms import package, pipeline
from serving.tests.inside import Inside

X = [[5.1, 3.5, 1.4, 0.2], [6.2, 2.9, 4.3, 1.3]]
FLAT = [value for row in X for value in row]
MODEL, INFER = "/dev/v2/models/iris", "/dev/v2/models/iris/infer"


def x(**change: Any) -> dict[str, Any]:
    """The good tensor with changes; None leaves a member out."""
    sent = {"name": "x", "shape": [2, 4], "datatype": "FP64", "data": FLAT} | change
    return {name: value for name, value in sent.items() if value is not None}


def request(*inputs: Any, **more: Any) -> dict[str, Any]:
    return {"inputs": list(inputs or (x(),)), **more}


class Case(NamedTuple):
    says: str
    method: str
    path: str
    status: int
    body: Any = None
    part: dict[str, Any] = {}
    headers: dict[str, str] = {}


def infer(says: str, status: int, body: Any, part: Any = None, form: str = "") -> Case:
    return Case(says, "POST", INFER, status, body, part or {}, {"content-type": form} if form else {})


VERSION = {"model_version": "1"}
BOTH = [{"name": "probabilities"}, {"name": "label"}]
NESTED = x(data=X)
CASES = [
    Case("the server tells its name without a slash", "GET", "/dev/v2", 200, part={"name": "slipway"}),
    Case("the server tells its name with a slash", "GET", "/dev/v2/", 200, part={"name": "slipway"}),
    Case("live has a body", "GET", "/v2/health/live", 200, part={"live": True, "ready": True}),
    Case("ready has a body", "GET", "/v2/health/ready", 200, part={"live": True, "ready": True}),
    Case("a slash at the end changes nothing", "GET", "/v2/health/ready/", 200, part={"ready": True}),
    Case("metadata comes from the signature", "GET", MODEL, 200, part={"platform": "sklearn_skops", "versions": ["1"]}),
    Case("a version has metadata", "GET", f"{MODEL}/versions/1", 200, part={"name": "iris"}),
    Case("a version is ready", "GET", f"{MODEL}/versions/1/ready", 200, part={"name": "iris", "ready": True}),
    Case("a model is ready", "GET", f"{MODEL}/ready", 200, part={"name": "iris", "ready": True}),
    Case("all models are listed", "GET", "/dev/v2/models", 200, part={"models": ["iris", "off"]}),
    Case("metadata of an unknown version is 404", "GET", f"{MODEL}/versions/9", 404),
    Case("readiness of an unknown version is 404", "GET", f"{MODEL}/versions/9/ready", 404),
    Case("metadata of an unknown model is 404", "GET", "/dev/v2/models/none", 404),
    Case("readiness of an unknown model is 404", "GET", "/dev/v2/models/none/ready", 404),
    Case("inference with an unknown model is 404", "POST", "/dev/v2/models/none/infer", 404, request()),
    Case("a model that is off is not ready", "GET", "/dev/v2/models/off/ready", 503),
    Case("a model that is off answers 503", "POST", "/dev/v2/models/off/infer", 503, request()),
    Case("a version in the path is the one used", "POST", f"{MODEL}/versions/1/infer", 200, request(), VERSION),
    Case("an unknown version in the path is 404", "POST", f"{MODEL}/versions/9/infer", 404, request()),
    infer("flat data is answered", 200, request(), {"model_name": "iris", "model_version": "1"}),
    infer("nested data is answered", 200, request(NESTED), {"model_name": "iris"}),
    infer("an id comes back unchanged", 200, request(id="a b/ü"), {"id": "a b/ü"}),
    infer("an empty id comes back too", 200, request(id=""), {"id": ""}),
    infer("both outputs may be asked for", 200, request(outputs=BOTH)),
    infer("an unknown output is 400", 400, request(outputs=[{"name": "none"}])),
    infer("no output at all is 400", 400, request(outputs=[])),
    infer("a shape that differs from the data is 400", 400, request(x(shape=[3, 4]))),
    infer("an unknown datatype is 400", 400, request(x(datatype="FLOAT"))),
    infer("text in FP64 is 400", 400, request(x(data=["a", *FLAT[1:]]))),
    infer("numbers as text in FP64 are 400", 400, request(x(data=["5.1", *FLAT[1:]]))),
    infer("true in FP64 is 400", 400, request(x(data=[True, *FLAT[1:]]))),
    infer("null in FP64 is 400", 400, request(x(data=[None, *FLAT[1:]]))),
    infer("a negative dimension is 400", 400, request(x(shape=[-1, 4]))),
    infer("a dimension that is no whole number is 400", 400, request(x(shape=[2.0, 4]))),
    infer("a wrong width is 400", 400, request(x(shape=[4, 2]))),
    infer("a missing dimension is 400", 400, request(x(shape=[8]))),
    infer("no shape is 400", 400, request(x(shape=None))),
    infer("no datatype is 400", 400, request(x(datatype=None))),
    infer("no data is 400", 400, request(x(data=None))),
    infer("no name is 400", 400, request(x(name=None))),
    infer("another name is 400", 400, request(x(name="y"))),
    infer("the same tensor twice is 400", 400, request(x(), x())),
    infer("empty inputs are 400", 400, {"inputs": []}),
    infer("no inputs are 400", 400, {}),
    infer("no rows are 400", 400, request(x(shape=[0, 4], data=[]))),
    infer("ragged data is 400", 400, request(x(data=[X[0], X[1][:3]]))),
    infer("invalid JSON is 400", 400, b'{"inputs": ['),
    infer("an empty body is 400", 400, b""),
    infer("a list as the body is 400", 400, b"[]"),
    infer("NaN is 400", 400, json.dumps(request(x(data=[float("nan"), *FLAT[1:]]))).encode()),
    infer("a number beyond FP64 is 400", 400, json.dumps(request()).replace("5.1", "1e999").encode()),
    infer("an id that is a number is 400", 400, request(id=5)),
    Case("GET on infer is 405", "GET", INFER, 405),
    Case("DELETE on a model is 405", "DELETE", MODEL, 405),
    infer("a body that is not sent as JSON is 415", 415, request(), form="text/plain"),
    infer("another charset is 415", 415, request(), form="application/json;charset=latin-1"),
    infer("a charset of UTF-8 is fine", 200, request(), form='Application/JSON; Charset="UTF-8"'),
    infer("INT64 data is welcome where nothing is lost", 200, request(x(datatype="INT64", data=[1] * 8))),
    infer("INT64 data that FP64 cannot hold is 400", 400, request(x(datatype="INT64", data=[2**53 + 1, *[1] * 7]))),
    infer("FP16 as JSON is 400", 400, request(x(datatype="FP16"))),
    infer("unknown parameters are ignored", 200, request(x(parameters={"a": 1}), parameters={"b": "c", "d": True})),
    infer("nested parameters are 400", 400, request(parameters={"a": {"b": 1}})),
    infer("unknown members are ignored", 200, request(model_name="iris", more=[1])),
    Case("nothing is at a longer path", "POST", f"{INFER}/more", 404, request()),
    Case("another environment is 404", "GET", "/nowhere/v2/models/iris", 404),
]  # fmt: skip


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Inside:
    folder = tmp_path_factory.mktemp("inside")
    store: Path = folder / "artefacts"
    store.mkdir()
    inputs = np.random.default_rng(0).random((90, 4)) * 7
    model = LogisticRegression().fit(inputs, np.digitize(inputs[:, 2], [2, 4]))
    signature = matrix(4).to_json()
    signature["inputs"][0]["name"] = "x"
    target = pipeline(store, 1, model, signature, classes=[0, 1, 2])
    routes = {"iris": Route("iris", (target,)), "off": Route("off", (package(store, 2, weight=0.0),))}
    return Inside(folder, RouteTable("dev", 1, routes, keyless=True))


def send(inside: Inside, case: Case) -> Reply:
    body = case.body if isinstance(case.body, bytes) else b"" if case.body is None else json.dumps(case.body).encode()
    sent = Request(case.method, case.path, case.headers, body, time.monotonic())
    return asyncio.run(inside.gateway.answer(sent))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_the_answer_is_the_one_of_the_table(inside: Inside, case: Case) -> None:
    reply = send(inside, case)
    found = json.loads(reply.body)
    assert reply.status == case.status, found
    assert found == found | case.part
    assert b":null" not in reply.body
    if reply.status != 200:
        assert list(found) == ["error"]
        assert isinstance(found["error"], str)
        assert ("allow" in dict(reply.headers)) == (reply.status == 405)


def test_flat_and_nested_data_have_the_same_answer(inside: Inside) -> None:
    flat, nested = (
        send(inside, case).body for case in CASES if case.says.split()[0] in ("flat", "nested") and case.status == 200
    )
    assert flat == nested


def test_outputs_come_in_the_order_asked_for(inside: Inside) -> None:
    (case,) = (case for case in CASES if case.says.startswith("both outputs"))
    outputs = json.loads(send(inside, case).body)["outputs"]
    assert [(item["name"], item["shape"]) for item in outputs] == [("probabilities", [2, 3]), ("label", [2])]


def test_no_sentence_is_said_twice() -> None:
    assert len({case.says for case in CASES}) == len(CASES)
