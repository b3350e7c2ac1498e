"""One real gateway process: what it answers, to whom, and in which words."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from serving import exchange
from serving.metrics import store as cells
from serving.routing import Key, Route, RouteTable
from serving.tests.builders import flight, matrix
from serving.tests.forms import ROW, package, pipeline
from serving.tests.processes import GatewayProcess, Valkey, wait_for

FREE = flight().to_json() | {"metadata": {}}
VECTOR = [0.9, 0.1, 0.1]


def api_key(text: str, **more: Any) -> Key:
    settings: dict[str, Any] = {"models": ("*",), "pin": False, "expires": None, **more}
    return Key(hashlib.sha256(text.encode()).hexdigest(), text[:4], **settings)


KEYS = (
    api_key("plain"),
    api_key("pinner", pin=True),
    api_key("other-model", models=("iris",)),
    api_key("expired", expires=time.time() - 5),
)


def faulty(artefacts: Path) -> Any:
    """A pipeline that raises for an origin it never saw, as real ones do."""
    table = pd.DataFrame(flight().draw(np.random.default_rng(0), 300))
    encoder = make_column_transformer((OneHotEncoder(), ["origin"]), remainder="passthrough")
    model = make_pipeline(encoder, LinearRegression()).fit(table, table["distance"])
    return pipeline(artefacts, 5, model, FREE, example=[ROW])


def iris(artefacts: Path) -> Any:
    inputs = np.random.default_rng(0).random((200, 3))
    model = LogisticRegression().fit(inputs, np.where(inputs[:, 0] > 0.5, "late", "early"))
    return pipeline(artefacts, 8, model, matrix().to_json(), classes=["early", "late"])


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("gateway")
    artefacts = folder / "artefacts"
    artefacts.mkdir()
    valkey = Valkey()
    first, second = package(artefacts, 1), package(artefacts, 2, "candidate", 0)
    raising = faulty(artefacts)
    off = dataclasses.replace(package(artefacts, 3), weight=0.0)
    routes = {
        "eta": Route("eta", (first, second)),
        "iris": Route("iris", (iris(artefacts),)),
        "faulty": Route("faulty", (raising,)),
        "off": Route("off", (off,)),
        "hasty": Route("hasty", (raising,), deadline=1e-6),
    }
    exchange.put_environments(valkey.redis, ["dev", "staging", "production"])
    exchange.put_table(valkey.redis, RouteTable("dev", 1, routes, keyless=True, keys=KEYS))
    exchange.put_table(valkey.redis, RouteTable("production", 1, routes, keys=KEYS))
    process = GatewayProcess(valkey.url, folder / "data", "*").start()
    process.redis = valkey.redis
    try:
        wait_for(process.ready)
        wait_for(lambda: process.generation(valkey.redis, "production") == 1)
        yield process
    finally:
        process.kill()
        valkey.close()


def post(gateway: GatewayProcess, path: str, body: Any, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return gateway.client.post(path, content=json.dumps(body), headers=named)


def instances(*rows: Any) -> dict[str, Any]:
    return {"instances": list(rows)}


def columns(n: int = 2, **more: Any) -> dict[str, Any]:
    sent = {"distance": ("INT64", [529] * n), "hour": ("FP64", [6.5] * n), "origin": ("BYTES", ["JFK"] * n)}
    tensors = [{"name": name, "shape": [n], "datatype": kind, "data": data} for name, (kind, data) in sent.items()]
    return {"inputs": tensors, **more}


def test_a_prediction_says_which_package_answered(gateway: GatewayProcess) -> None:
    reply = post(gateway, "/dev/v1/models/eta:predict", instances(ROW, ROW), x_request_id="mine")
    assert reply.json() == {"predictions": [1.0, 1.0]}
    assert (reply.headers["x-package"], reply.headers["x-request-id"]) == ("1", "mine")
    assert reply.headers["x-package-digest"].startswith("sha256:")
    assert reply.headers["content-type"] == "application/json"


def test_a_request_id_is_made_when_none_or_a_bad_one_is_given(gateway: GatewayProcess) -> None:
    made = {post(gateway, "/dev/v1/models/eta:predict", instances(ROW)).headers["x-request-id"] for _ in range(3)}
    assert len(made) == 3
    assert post(gateway, "/x", {}, x_request_id="a b").headers["x-request-id"] != "a b"


def test_a_classifier_answers_labels_with_probabilities(gateway: GatewayProcess) -> None:
    (found,) = post(gateway, "/dev/v1/models/iris:predict", instances(VECTOR)).json()["predictions"]
    assert found["label"] == "late"
    assert found["probabilities"].keys() == {"early", "late"}
    assert sum(found["probabilities"].values()) == pytest.approx(1)


def test_a_broken_contract_is_told_by_row_field_and_rule(gateway: GatewayProcess) -> None:
    reply = post(gateway, "/dev/v1/models/eta:predict", instances(ROW, {**ROW, "distance": -1}))
    assert reply.status_code == 400
    assert reply.json()["error"] == "instances[1].distance: must be greater than 0"
    assert reply.json()["details"] == [{"row": 1, "field": "distance", "rule": "must be greater than 0"}]


def test_a_model_that_raises_answers_500_without_a_trace_and_counts_as_an_error(gateway: GatewayProcess) -> None:
    reply = post(gateway, "/dev/v1/models/faulty:predict", instances({**ROW, "origin": "STT"}))
    assert (reply.status_code, reply.json()) == (500, {"error": "The model failed on this request.", "details": []})
    assert post(gateway, "/dev/v1/models/faulty:predict", instances(ROW)).status_code == 200

    def counted() -> bool:
        found = cells.read(gateway.redis, "dev", time.time() - 30, time.time() + 1)
        return sum(cell.errors.get("exception", 0) for cell in found if cell.model == "faulty") == 1

    wait_for(counted)


def test_an_answer_that_comes_after_the_deadline_is_a_timeout_of_its_arm(gateway: GatewayProcess) -> None:
    reply = post(gateway, "/dev/v1/models/hasty:predict", instances(ROW))
    assert (reply.status_code, reply.headers["x-package"]) == (504, "5")
    assert "did not answer within" in reply.json()["error"]

    def counted() -> bool:
        found = cells.read(gateway.redis, "dev", time.time() - 30, time.time() + 1)
        return [cell.errors for cell in found if cell.model == "hasty" and cell.completions] == [{"timeout": 1}]

    wait_for(counted)


def test_who_is_turned_away_before_a_package_is_picked_is_counted_by_status_and_kind(gateway: GatewayProcess) -> None:
    path = "/production/v1/models/eta:predict"
    for _ in range(3):
        post(gateway, path, instances(ROW))
    post(gateway, path, instances(ROW), authorization="Bearer other-model")
    post(gateway, path, instances(ROW), authorization="Bearer plain", content_type="text/csv")
    post(gateway, "/production/v1/models/off:predict", instances(ROW), authorization="Bearer plain")
    post(gateway, "/production/v1/models/no-such-model:predict", instances(ROW), authorization="Bearer plain")

    def counted() -> dict[tuple[str, str], int]:
        found: dict[tuple[str, str], int] = {}
        for cell in cells.read(gateway.redis, "production", time.time() - 30, time.time() + 1):
            for reason, number in ({} if cell.package else cell.errors).items():
                assert (cell.starts, cell.completions, cell.refused) == (0, 0, sum(cell.errors.values()))
                found[cell.model, reason] = found.get((cell.model, reason), 0) + number
        return found

    wanted = {("eta", "401 key"): 3, ("eta", "403 right"): 1, ("eta", "415 form"): 1, ("off", "503 off"): 1}
    wait_for(lambda: (wanted | {("", "404 unknown"): 1}).items() <= counted().items(), 5)


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/nothing", 404, "nothing at this address"),
        ("GET", "/dev/v1/models/eta/more", 404, "nothing at this address"),
        ("POST", "/nowhere/v1/models/eta:predict", 404, "it serves: dev, staging, production"),
        ("POST", "/staging/v1/models/eta:predict", 404, "Nothing has been released to staging"),
        ("POST", "/dev/v1/models/unknown:predict", 404, "no model of this name in dev"),
        ("POST", "/dev/v1/models/off:predict", 503, "switched off"),
        ("GET", "/dev/v1/models/eta:predict", 405, "takes POST only"),
        ("GET", "/dev/v2/models/eta/infer", 405, "takes POST only"),
        ("DELETE", "/dev/v1/models", 405, "takes GET only"),
        ("GET", "/dev/v2/models/off/ready", 503, "switched off"),
        ("GET", "/dev/v2/models/eta/versions/9", 404, "not loaded here"),
    ],
)
def test_what_cannot_be_answered_says_why(
    gateway: GatewayProcess, method: str, path: str, status: int, words: str
) -> None:
    reply = gateway.client.request(method, path, content=json.dumps(instances(ROW)) if method == "POST" else None)
    assert reply.status_code == status
    assert words in reply.json()["error"]
    assert ("allow" in reply.headers) == (status == 405)
    assert ("retry-after" in reply.headers) == (status == 503)
    assert ("details" in reply.json()) == ("/v1/" in path)


def test_head_has_no_body(gateway: GatewayProcess) -> None:
    assert gateway.client.head("/dev/v2/health/live").status_code == 200
    missing = gateway.client.head("/nothing")
    assert (missing.status_code, missing.content) == (404, b"")


def test_a_body_that_is_not_json_is_refused_by_its_content_type(gateway: GatewayProcess) -> None:
    path = "/dev/v1/models/eta:predict"
    assert post(gateway, path, instances(ROW), content_type="text/csv").status_code == 415
    assert post(gateway, path, instances(ROW), content_type="application/json; charset=utf-8").status_code == 200
    assert post(gateway, path, instances(ROW), content_type="application/json; charset=latin-1").status_code == 415


@pytest.mark.parametrize("stream", [False, True])
def test_a_body_over_eight_mebibytes_is_refused(gateway: GatewayProcess, stream: bool) -> None:
    data = b"x" * (8 * 2**20 + 1)
    with httpx.Client(base_url=gateway.client.base_url, trust_env=False) as client:
        try:
            reply = client.post("/dev/v1/models/eta:predict", content=iter([data]) if stream else data)
        except httpx.WriteError:
            return  # the connection was closed before all of it was sent
        assert reply.status_code == 413
        assert "8 MiB" in reply.json()["error"]


def test_without_an_environment_the_last_one_answers_and_it_needs_a_key(gateway: GatewayProcess) -> None:
    reply = post(gateway, "/v1/models/eta:predict", instances(ROW))
    assert (reply.status_code, reply.headers["www-authenticate"]) == (401, 'Bearer realm="slipway"')
    assert post(gateway, "/v1/models/eta:predict", instances(ROW), authorization="Bearer plain").status_code == 200


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("Bearer plain", 200),
        ("Basic " + base64.b64encode(b"anyone:plain").decode(), 200),
        ("Bearer wrong", 401),
        ("Bearer expired", 401),
        ("Bearer other-model", 403),
        ("Basic %%%", 401),
        ("plain", 401),
        ("Bearer " + KEYS[0].hash, 401),
    ],
)
def test_a_key_opens_what_it_is_for(gateway: GatewayProcess, authorization: str, status: int) -> None:
    sent = {"authorization": authorization}
    assert post(gateway, "/production/v1/models/eta:predict", instances(ROW), **sent).status_code == status


def test_a_key_sees_only_its_models(gateway: GatewayProcess) -> None:
    seen = gateway.client.get("/production/v1/models", headers={"authorization": "Bearer other-model"}).json()
    assert seen == {"models": ["iris"]}


def test_a_pin_reaches_a_package_of_weight_nought_and_needs_the_right(gateway: GatewayProcess) -> None:
    path = "/production/v1/models/eta:predict"
    digest = package_digest(gateway)
    for pin in ("2", digest):
        reply = post(gateway, path, instances(ROW), authorization="Bearer pinner", x_package=pin)
        assert (reply.json(), reply.headers["x-package"]) == ({"predictions": [2.0]}, "2")
    assert post(gateway, path, instances(ROW), authorization="Bearer plain", x_package="2").status_code == 403
    assert post(gateway, path, instances(ROW), authorization="Bearer pinner", x_package="9").status_code == 404
    assert post(gateway, path, instances(ROW), authorization="Bearer pinner", x_package="8").status_code == 404
    assert post(gateway, path, instances(ROW), authorization="Bearer pinner", x_package="").status_code == 404


def package_digest(gateway: GatewayProcess) -> str:
    return post(gateway, "/dev/v1/models/eta:predict", instances(ROW), x_package="2").headers["x-package-digest"]


def test_v2_answers_tensors_with_the_version_that_was_used(gateway: GatewayProcess) -> None:
    reply = post(gateway, "/dev/v2/models/eta/infer", columns(id="q"))
    assert reply.json() == {
        "model_name": "eta",
        "model_version": "1",
        "id": "q",
        "outputs": [{"name": "minutes", "datatype": "FP64", "shape": [2], "data": [1.0, 1.0]}],
    }
    assert post(gateway, "/dev/v2/models/eta/versions/2/infer", columns()).json()["model_version"] == "2"


def test_v2_gives_the_outputs_asked_for_in_their_order(gateway: GatewayProcess) -> None:
    tensor = {"name": "input", "shape": [1, 3], "datatype": "FP64", "data": VECTOR}
    asked = {"inputs": [tensor], "outputs": [{"name": "probabilities"}, {"name": "label"}]}
    outputs = post(gateway, "/dev/v2/models/iris/infer", asked).json()["outputs"]
    assert [(item["name"], item["shape"]) for item in outputs] == [("probabilities", [1, 2]), ("label", [1])]
    asked["outputs"] = [{"name": "nothing"}]
    reply = post(gateway, "/dev/v2/models/iris/infer", asked)
    assert (reply.status_code, reply.json().keys()) == (400, {"error"})


def test_v2_metadata_comes_from_the_signature(gateway: GatewayProcess) -> None:
    found = gateway.client.get("/dev/v2/models/iris").json()
    assert found["inputs"] == [{"name": "input", "datatype": "FP64", "shape": [-1, 3]}]
    assert [item["name"] for item in found["outputs"]] == ["label", "probabilities"]
    assert (found["platform"], found["versions"]) == ("sklearn_skops", ["8"])
    assert gateway.client.get("/dev/v2/models").json() == {"models": ["eta", "faulty", "hasty", "iris", "off"]}
    for path in ("/v2", "/v2/", "/dev/v2"):
        assert gateway.client.get(path).json()["name"] == "slipway"
    assert gateway.client.get("/v2/health/live").json() == {"live": True, "ready": True}


def test_one_sticky_key_always_reaches_one_package(gateway: GatewayProcess) -> None:
    arms = {
        number: {
            post(gateway, "/dev/v1/models/eta:predict", instances(ROW), x_route_key=f"user-{number}").json()[
                "predictions"
            ][0]
            for _ in range(3)
        }
        for number in range(5)
    }
    assert all(len(found) == 1 for found in arms.values())
