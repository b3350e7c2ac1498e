"""Spans for OpenTelemetry: whose trace is sampled, what is in them, and a collector that is away or slow."""

from __future__ import annotations

import asyncio
import http.server
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving import exchange
from serving.gateway import spans
from serving.gateway.after import After
from serving.gateway.messages import Request
from serving.gateway.spans import Spans
from serving.routing import Route, RouteTable
from serving.tests.builders import table
from serving.tests.forms import ROW, package
from serving.tests.inside import Inside
from serving.tests.processes import GatewayProcess, Valkey, wait_for
from serving.tests.test_keys import api_key

pytestmark = pytest.mark.same_everywhere
TRACE, PARENT = "a" * 32, "b" * 16
SAMPLED, UNSAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"
PATH, SECRET = "/dev/v1/models/eta:predict", "sk_plain_secret"


class Collector(http.server.ThreadingHTTPServer):
    """Takes what is sent to it, or answers `status`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taker)
        self.status, self.taken, self.headers = 200, list[dict[str, Any]](), list[dict[str, str]]()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def spans(self) -> list[dict[str, Any]]:
        return [span for sent in self.taken for span in sent["resourceSpans"][0]["scopeSpans"][0]["spans"]]


class _Taker(http.server.BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.server.status == 200 and self.path == "/v1/traces":
            self.server.taken.append(json.loads(body))
            self.server.headers.append(dict(self.headers))
        self.send_response(self.server.status)
        if self.server.status == 302:
            self.send_header("location", "/elsewhere")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    yield server
    server.shutdown()
    server.server_close()


class Watched:
    """A gateway in this process whose requests are watched for spans."""

    def __init__(self, folder: Path, url: str) -> None:
        folder.joinpath("artefacts").mkdir()
        routes = {"eta": Route("eta", (package(folder / "artefacts", 1),))}
        self.inside = Inside(folder, RouteTable("dev", 1, routes, keys=(api_key(SECRET),)))
        self.spans = Spans(url, {"X-Scope": "ours"}, "one")
        self.after = After(self.inside.recorder, self.inside.live, (self.spans,))

    def ask(
        self, parent: str | None = SAMPLED, body: Any = None, path: str = PATH, key: str = SECRET
    ) -> dict[str, str]:
        headers = {"authorization": f"Bearer {key}"} | ({"traceparent": parent} if parent else {})
        sent = json.dumps({"instances": [ROW]} if body is None else body).encode()
        request = Request("POST", path, headers, sent, time.monotonic())
        reply = asyncio.run(self.inside.gateway.answer(request))
        self.after.reply(request, reply)
        return dict(reply.headers)


@pytest.fixture
def watched(tmp_path: Path, collector: Collector) -> Watched:
    return Watched(tmp_path, collector.url)


def attributes(span: dict[str, Any]) -> dict[str, Any]:
    return {each["key"]: next(iter(each["value"].values())) for each in span["attributes"]}


def test_a_sampled_request_is_a_span_of_its_callers_trace(watched: Watched, collector: Collector) -> None:
    answered = watched.ask()
    watched.spans.flush()
    (span,) = collector.spans()
    assert (span["traceId"], span["parentSpanId"]) == (TRACE, PARENT)
    assert span["spanId"] == answered["traceresponse"].split("-")[2]
    assert span["name"] == "POST /{environment}/v1/models/{model}:predict"
    assert int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"]) <= time.time_ns() + 10**9
    assert span["kind"] == 2
    found = attributes(span)
    assert found["slipway.model"] == "eta"
    assert found["slipway.digest"] == answered["x-package-digest"]
    assert (found["slipway.package"], found["slipway.rows"], found["http.response.status_code"]) == ("1", "1", "200")
    assert collector.headers[0]["X-Scope"] == "ours"


@pytest.mark.parametrize("parent", [None, UNSAMPLED, "00-nonsense", f"00-{'0' * 32}-{PARENT}-01"])
def test_who_does_not_sample_has_no_span(watched: Watched, collector: Collector, parent: str | None) -> None:
    watched.ask(parent)
    watched.spans.flush()
    assert collector.taken == []


@pytest.mark.parametrize(
    ("asked", "status", "kind"),
    [
        ({"body": {"instances": [{}]}}, "400", "refused"),
        ({"key": "another"}, "401", "key"),
        ({"path": "/dev/v1/models/none:predict"}, "404", "unknown"),
        ({"path": "/nowhere/at/all"}, "404", "unknown"),
    ],
)
def test_a_refusal_says_its_kind_and_none_of_the_input(
    watched: Watched, collector: Collector, asked: dict[str, Any], status: str, kind: str
) -> None:
    watched.ask(**asked)
    watched.spans.flush()
    (span,) = collector.spans()
    found = attributes(span)
    assert (found["http.response.status_code"], found["error.type"], span["status"]) == (status, kind, {})
    assert SECRET not in json.dumps(collector.taken)
    assert "JFK" not in json.dumps(collector.taken)


def test_what_a_collector_refuses_is_sent_again(
    watched: Watched, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.status = 503
    for _ in range(2):
        watched.ask()
        watched.spans.flush()
    assert [record.levelname for record in caplog.records] == ["WARNING"], "It is said once."
    collector.status = 200
    watched.spans.flush()
    assert len(collector.spans()) == 2


def test_spans_that_a_collector_will_never_take_hold_up_no_others(watched: Watched, collector: Collector) -> None:
    collector.status = 400
    watched.ask()
    watched.spans.flush()
    collector.status = 200
    watched.ask()
    watched.spans.flush()
    assert (len(collector.spans()), watched.spans.dropped) == (1, 1)


def test_a_collector_that_speaks_something_else_does_not_end_the_thread(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        watched = Watched(tmp_path, f"http://127.0.0.1:{listener.getsockname()[1]}")
        watched.ask()
        sending = threading.Thread(target=watched.spans.flush)
        sending.start()
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        sending.join(10)
    assert (len(watched.spans._waiting), watched.spans.dropped) == (1, 0)


def test_a_redirect_is_not_followed_with_our_headers(watched: Watched, collector: Collector) -> None:
    collector.status = 302
    watched.ask()
    watched.spans.flush()
    assert collector.taken == []


def test_a_collector_that_is_away_costs_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "MOST_WAITING", 3)
    watched = Watched(tmp_path, "http://127.0.0.1:9")
    for _ in range(5):
        watched.ask()
    watched.spans.flush()
    assert (len(watched.spans._waiting), watched.spans.dropped) == (3, 2)


def test_a_real_gateway_sends_its_spans(collector: Collector, tmp_path: Path) -> None:
    store = tmp_path / "artefacts"
    store.mkdir()
    valkey = Valkey()
    exchange.put_environments(valkey.redis, ["dev"])
    exchange.put_table(valkey.redis, table(package(store, 1)))
    gateway = GatewayProcess(valkey.url, tmp_path / "data", more={"GATEWAY_OTLP_ENDPOINT": collector.url}).start()
    try:
        wait_for(gateway.ready)
        assert gateway.predict(ROW, headers={"traceparent": SAMPLED}).status_code == 200
        (span,) = wait_for(collector.spans)
        assert span["traceId"] == TRACE
    finally:
        gateway.kill()
        valkey.close()
