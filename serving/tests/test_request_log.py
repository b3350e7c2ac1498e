"""What the log says of a request, and what it never says."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.gateway.after import After
from serving.gateway.messages import Reply, Request
from serving.gateway.request_log import MOST_REFUSALS, RequestLog
from serving.gateway.writing import Writer
from serving.routing import Route, RouteTable
from serving.tests.forms import ROW, package
from serving.tests.inside import Inside
from serving.tests.test_gateway import api_key, faulty
from serving.tests.test_tracing import GIVEN, SPAN, TRACE

ETA, FAULTY = "/dev/v1/models/eta:predict", "/dev/v1/models/faulty:predict"
SECRET = "sk_plain_secret"
UNSEEN = ROW | {"origin": "UNSEEN-ORIGIN"}


class Logged:
    """A gateway inside the test whose requests go through its log."""

    def __init__(self, folder: Path) -> None:
        store = folder / "artefacts"
        store.mkdir()
        routes = {"eta": Route("eta", (package(store, 1),)), "faulty": Route("faulty", (faulty(store),))}
        self.inside = Inside(folder, RouteTable("dev", 1, routes, keys=(api_key(SECRET),)))
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        self.writer = Writer("json", self._writing)
        self.writer.start()
        self.take(0.0)

    def take(self, share: float) -> Logged:
        """Log this share of the successes from now on."""
        self.log = RequestLog(self.writer, self.inside.live, share)
        self._after = After(self.inside.recorder, self.inside.live, (self.log,))
        return self

    def ask(self, path: str, row: Any = ROW, key: str = SECRET, **headers: str) -> int:
        """Return the status of one request, its line written if it has one."""
        named = {"authorization": f"Bearer {key}", **{name.replace("_", "-"): text for name, text in headers.items()}}
        request = Request("POST", path, named, json.dumps({"instances": [row]}).encode(), time.monotonic())
        reply = asyncio.run(self.inside.gateway.answer(request))
        self._after.reply(request, reply)
        return reply.status

    def text(self) -> str:
        """Return what was written since the last call."""
        assert self.writer.finish(5)
        try:
            return os.read(self._reading, 1_000_000).decode()
        except BlockingIOError:
            return ""

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]

    def close(self) -> None:
        assert self.writer.finish(5)
        os.close(self._reading)
        os.close(self._writing)


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logged]:
    logged = Logged(tmp_path_factory.mktemp("logged"))
    yield logged
    logged.close()


@pytest.fixture
def silent(logged: Logged) -> Logged:
    return logged.take(0.0)


@pytest.fixture
def telling(logged: Logged) -> Logged:
    return logged.take(1.0)


def test_a_success_says_who_answered_whom_and_how_fast(telling: Logged) -> None:
    assert telling.ask(ETA, x_request_id="mine", traceparent=GIVEN, tracestate="vendor=1") == 200
    (line,) = telling.lines()
    assert line.pop("ms") > 0
    assert line.pop("time").endswith("+00:00")
    assert line.pop("digest").startswith("sha256:")
    assert len(line.pop("span_id")) == 16
    assert line.pop("arm") in {"stable", "control"}
    assert line == {
        "level": "INFO",
        "message": "request",
        "status": 200,
        "environment": "dev",
        "protocol": "v1",
        "model": "eta",
        "package": 1,
        "key": SECRET[:4],
        "request_id": "mine",
        "trace_id": TRACE,
        "parent_id": SPAN,
        "tracestate": "vendor=1",
    }


@pytest.mark.parametrize(
    ("path", "row", "key", "wanted"),
    [
        (ETA, {"hour": 1}, SECRET, {"status": 400, "kind": "refused", "model": "eta", "package": 1, "level": "INFO"}),
        (FAULTY, UNSEEN, SECRET, {"status": 500, "kind": "exception", "model": "faulty", "level": "WARNING"}),
        ("/dev/v1/models/none:predict", ROW, SECRET, {"status": 404, "kind": "unknown", "model": "none"}),
        ("/qa/v1/models/eta:predict", ROW, SECRET, {"status": 404, "environment": "qa"}),
        (ETA, ROW, "sk_wrong_secret", {"status": 401, "kind": "key", "environment": "dev", "model": "eta"}),
        ("/nothing", ROW, SECRET, {"status": 404, "kind": "unknown"}),
    ],
)
def test_a_failure_is_logged_always(silent: Logged, path: str, row: Any, key: str, wanted: dict[str, Any]) -> None:
    assert silent.ask(path, row, key) == wanted["status"]
    (line,) = silent.lines()
    assert line | wanted == line
    assert line["request_id"].startswith("test-")
    assert line.get("key") == (SECRET[:4] if key == SECRET and line.get("environment") == "dev" else None)


def test_a_success_is_not_logged_unless_asked_for(silent: Logged) -> None:
    assert silent.ask(ETA) == 200
    assert silent.lines() == []


def test_no_input_no_key_and_no_header_is_in_a_line(telling: Logged) -> None:
    row = ROW | {"origin": "PRIVATE-VALUE"}
    for path, sent in ((ETA, row), (FAULTY, row), (ETA, {"PRIVATE-NAME": "PRIVATE-VALUE"}), ("/PRIVATE/x", row)):
        telling.ask(path, sent, cookie="PRIVATE-COOKIE", user_agent="PRIVATE-AGENT", x_route_key="PRIVATE-ROUTE")
        telling.ask(path, sent, key="PRIVATE-KEY")
        telling.ask("/dev/v1/models/{PRIVATE VALUE}:predict", sent, traceparent="PRIVATE", tracestate="PRIVATE=1")
    text = telling.text()
    assert len(text.splitlines()) == 12
    assert "PRIVATE" not in text
    assert SECRET not in text


def test_a_flood_of_refusals_is_bounded_and_counted_and_hides_no_failure(silent: Logged) -> None:
    for _ in range(10 * MOST_REFUSALS):
        silent.ask("/nothing")
    silent.ask(FAULTY, UNSEEN)
    silent.log.sweep()
    *refused, failed, told = silent.lines()
    assert [line["status"] for line in refused] == [404] * MOST_REFUSALS
    assert failed["status"] == 500
    assert told["message"].startswith(f"{9 * MOST_REFUSALS} more requests were refused in this second")
    silent.ask("/nothing")
    silent.log.sweep()
    assert [line["status"] for line in silent.lines()] == [404]


def test_refusals_by_load_have_a_bound_of_their_own(silent: Logged) -> None:
    request = Request("POST", ETA, {}, b"", 0.0)
    for _ in range(2 * MOST_REFUSALS):
        silent.log(request, Reply(400, b""))
        silent.log(request, Reply(503, b""))
    assert len(silent.lines()) == 2 * MOST_REFUSALS


def test_a_share_of_the_successes_is_logged(logged: Logged) -> None:
    logged.take(0.5)
    for _ in range(400):
        logged.log(Request("GET", "/v2", {}, b"", 0.0), Reply(200, b""))
    assert 100 < len(logged.lines()) < 300
