"""Bodies that nobody should send, and how the gateway answers: typed ones by Schemathesis, raw ones by Hypothesis."""

from __future__ import annotations

import gzip
import http.client
import json
import re
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks
from sklearn.linear_model import LinearRegression, LogisticRegression

from serving import exchange
from serving.routing import Route, RouteTable
from serving.tests.builders import matrix
from serving.tests.forms import ROW, package, pipeline
from serving.tests.processes import GatewayProcess, Valkey, wait_for

PATIENCE = 10.0
MIXED = {
    "inputs": [
        {"name": "a", "type": "double", "required": True},
        {"name": "b", "type": "long", "required": True},
        {"name": "c", "type": "float", "required": False},
    ]
}
SECRET = b"S3CRET"
# Each is a value somewhere in a body; none may come back in an answer.
VALUES = [
    *(b"NaN", b"-Infinity", b"1e999", b"-0.0", b"1.5", b"9" * 400, b"18446744073709551616", b"null", b"true", b"[]"),
    *(
        b'"S3CRET"',
        b'"\\ud800"',
        b'"\\u0000"',
        b'"\xff"',
        b'["S3CRET",[[1]]]',
        b'{"S3CRET":1}',
        b'"\xef\xbb\xbf"',
        b"{}",
    ),
    *(b"", b",", b"[" * 2000, b'{"a":' * 2000),
]
NAMED = re.compile(rb'"[^"]*S3CRET[^"]*"\s*:')
TOKEN = re.compile(rb'-?\d+(\.\d+)?|"[^"]*"|[\[\]{}:,]|null|true|false')
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
STRICT = [*CHECKS, checks.negative_data_rejection, checks.positive_data_acceptance]
# To JSON Schema 9.0 is an integer, to us it is not: no whole number is written with a decimal point.
NO_INTEGER = "must be a whole number, written without a decimal point"


def plan(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@contextmanager
def attacked(folder: Path, **more: str) -> Iterator[GatewayProcess]:
    """A gateway with columns and texts (`eta`), a classifier of a tensor (`words`) and columns of numbers (`mixed`)."""
    store = folder / "artefacts"
    store.mkdir(parents=True)
    inputs = np.random.default_rng(0).random((60, 3))
    labels = np.where(inputs[:, 0] > 0.5, "late", "early")
    classifier = LogisticRegression().fit(inputs, labels)
    model = LinearRegression().fit(inputs[:, :2], inputs[:, 0])
    targets = {
        "eta": package(store, 1),
        "words": pipeline(store, 2, classifier, matrix().to_json(), classes=["early", "late"]),
        "mixed": pipeline(store, 3, model, {**MIXED, "inputs": MIXED["inputs"][:2]}),
    }
    valkey = Valkey()
    exchange.put_environments(valkey.redis, ["dev"])
    routes = {name: Route(name, (item,)) for name, item in targets.items()}
    exchange.put_table(valkey.redis, RouteTable("dev", 1, routes, keyless=True))
    process = GatewayProcess(valkey.url, folder / "data", more=more).start()
    try:
        wait_for(process.ready)
        yield process
    finally:
        process.stop()
        valkey.close()


@dataclass
class Attack:
    """What has been sent to one gateway so far, and how it answered; raises AssertionError at the first bad answer."""

    gateway: GatewayProcess
    sent: int = 0
    slowest: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    _connection: http.client.HTTPConnection | None = None

    def memory(self) -> float:
        """The gateway's resident memory in MiB."""
        told = Path(f"/proc/{self.gateway.process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", told)[0]) / 1024

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def took(self, status: int, seconds: float) -> None:
        self.sent += 1
        self.slowest = max(self.slowest, seconds)
        self.statuses[status] += 1

    def raw(self, examples: int) -> None:
        """Send bodies of raw bytes: mutilated good ones and pure noise."""

        @plan(examples)
        @given(requests())
        def send(request: Sent) -> None:
            self._send(*request)

        send()

    def _send(self, path: str, body: bytes, headers: dict[str, str]) -> None:
        began = time.monotonic()
        connection = self._connection or http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=PATIENCE)
        connection.request("POST", path, body, headers)
        reply = connection.getresponse()
        found = reply.read()
        self._connection = None if reply.will_close else connection
        if self._connection is None:
            connection.close()
        self.took(reply.status, time.monotonic() - began)
        check(path, reply.status, found)
        # A short name that is no field is shown, so that a misspelt one is found; values never are.
        assert SECRET not in found or "content-encoding" in headers or NAMED.search(body), found

    def typed(self, examples: int) -> None:
        """Send what the model's OpenAPI documents allow and what they forbid, so many per address and way."""
        for model in ("eta", "words", "mixed"):
            document = schemathesis.openapi.from_dict(
                self.gateway.client.get(f"/dev/v2/models/{model}/openapi.json").json()
            )
            document.config.update(base_url=f"http://127.0.0.1:{self.gateway.port}/dev")
            for found in document.get_all_operations():
                operation = found.ok()
                if operation.method == "post":
                    for mode in GenerationMode:
                        self._call(operation, mode, examples)

    def _call(self, operation: Any, mode: GenerationMode, examples: int) -> None:
        # V2 ignores members that it does not know, and JSON Schema cannot say that data fits its shape.
        wanted = STRICT if "/v1/" in operation.path else CHECKS

        @plan(examples)
        @given(case=operation.as_strategy(generation_mode=mode))
        def call(case: Any) -> None:
            began = time.monotonic()
            answer = case.call(timeout=PATIENCE)
            self.took(answer.status_code, time.monotonic() - began)
            case.validate_response(answer, checks=CHECKS if _excused(answer) else wanted)

        call()


def _excused(answer: Any) -> bool:
    details = answer.json().get("details") if answer.status_code == 400 else None
    return bool(details) and all(item["rule"] == NO_INTEGER for item in details)


def check(path: str, status: int, body: bytes) -> None:
    """An answer is a prediction, or a client's error in its protocol's form."""
    assert status < 500, (status, body)
    if status != 200:
        found = json.loads(body)
        assert list(found) == (["error", "details"] if "/v1/" in path else ["error"]), body


# --- raw bytes ----------------------------------------------------------------------------------------------------

Sent = tuple[str, bytes, dict[str, str]]


def tensors(**named: tuple[str, list[Any], list[int]]) -> dict[str, Any]:
    inputs = [
        {"name": name, "datatype": kind, "data": data, "shape": shape} for name, (kind, data, shape) in named.items()
    ]
    return {"inputs": inputs}


def _raw(name: str, values: np.ndarray, datatype: str, **more: Any) -> tuple[bytes, str]:
    size = {"binary_data_size": values.nbytes}
    said = {"name": name, "datatype": datatype, "shape": list(values.shape), "parameters": size}
    head = json.dumps({"inputs": [said], **more}).encode()
    return head + values.tobytes(), str(len(head))


ETA = tensors(
    distance=("INT64", [529, 94], [2]), hour=("FP64", [6.5, 7.0], [2, 1]), origin=("BYTES", ["JFK", "EWR"], [2])
)
FP32, OUT = tensors(input=("FP32", [1, 2, 3], [1, 3])), {"binary_data_output": True}
GOOD: list[tuple[str, bytes]] = [
    ("/dev/v1/models/eta:predict", json.dumps({"instances": [ROW, ROW]}).encode()),
    ("/dev/v1/models/eta:predict", json.dumps({"instances": [[529, 6.5, "JFK"]]}).encode()),
    ("/dev/v1/models/words:predict", b'{"instances":[[1,2,3]],"parameters":{"outputs":["label"]}}'),
    ("/dev/v1/models/mixed:predict", b'{"instances":[{"a":1.5,"b":2},{"a":-1,"b":0}]}'),
    ("/dev/v2/models/eta/infer", json.dumps({**ETA, "id": "a", "parameters": {"x": 1}}).encode()),
    ("/dev/v2/models/words/infer", b'{"inputs":[{"name":"input","shape":[1,3],"datatype":"FP64","data":[[1,2,3]]}]}'),
    ("/dev/v2/models/words/infer", json.dumps({**FP32, "outputs": [{"name": "label"}]}).encode()),
    ("/dev/v2/models/mixed/infer", json.dumps(tensors(input=("FP64", [1.5, 2, 3, 4], [2, 2]))).encode()),
]  # fmt: skip
BINARY: list[tuple[str, bytes, str]] = [
    ("/dev/v2/models/words/infer", *_raw("input", np.ones((2, 3)), "FP64")),
    ("/dev/v2/models/words/infer", *_raw("input", np.ones((1, 3), "<f2"), "FP16", parameters=OUT)),
    ("/dev/v2/models/mixed/infer", *_raw("input", np.ones((3, 2), "<i4"), "INT32")),
]  # fmt: skip
PACKED: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}
FORMS = ["application/json", "application/octet-stream", "text/plain", "application/json; charset=utf-16", ""]


@st.composite
def changed(draw: st.DrawFn, body: bytes) -> bytes:
    """One to four changes: a token becomes another value, a piece goes, comes twice, or noise comes in."""
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3, 4]))):
        tokens = [found.span() for found in TOKEN.finditer(body)]
        start = draw(st.integers(0, len(body)))
        stop = draw(st.integers(start, min(len(body), start + 40)))
        way = draw(st.sampled_from(["token", "token", "token", "cut", "twice", "noise", "end"]))
        if way == "token" and tokens:
            start, stop = draw(st.sampled_from(tokens))
            body = body[:start] + draw(st.sampled_from(VALUES)) + body[stop:]
        elif way == "twice":
            body = body[:stop] + body[start:]
        elif way == "noise":
            body = body[:start] + draw(st.binary(min_size=1, max_size=8)) + body[start:]
        else:
            body = body[:start] + (b"" if way == "end" else body[stop:])
    return body


@st.composite
def requests(draw: st.DrawFn) -> Sent:
    """A path, a body and headers; mostly a good body that was changed, sometimes noise, packed or binary."""
    headers = {"content-type": draw(st.sampled_from([FORMS[0]] * 30 + FORMS))}
    kind = draw(st.sampled_from(["json"] * 6 + ["binary"] * 3 + ["noise", "packed", "good"]))
    if kind == "binary":
        path, body, length = draw(st.sampled_from(BINARY))
        exact = draw(st.booleans())
        headers["inference-header-content-length"] = length if exact else str(draw(st.integers(-1, len(body) + 1)))
        return path, draw(changed(body)), headers
    path, body = draw(st.sampled_from(GOOD))
    if kind == "noise":
        return path, draw(st.binary(max_size=300)), headers
    if kind != "good":
        body = draw(changed(body))
    if kind == "packed":
        coding = draw(st.sampled_from(sorted(PACKED)))
        headers["content-encoding"] = draw(st.sampled_from([coding, "gzip", "br"]))
        body = PACKED[coding](body)
        body = draw(changed(body)) if draw(st.booleans()) else body
    return path, body, headers
