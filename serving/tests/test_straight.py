"""The straight door on the wire: the order of answers, patience with clients, and what a connection holds at most."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest

from serving import exchange
from serving.gateway.messages import Reply
from serving.gateway.replies import path_of, wired
from serving.routing import Route, RouteTable
from serving.tests.forms import ROW, package
from serving.tests.processes import GatewayProcess, Valkey, wait_for

# The same gateway, which loses patience within a second.
HASTY = """
from serving.gateway import reading
reading.BODY_SECONDS = reading.IDLE_SECONDS = 1.0
from serving.gateway.__main__ import main
import os; os._exit(main())
"""
BODY = json.dumps({"instances": [ROW]}).encode()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("straight")
    (folder / "artefacts").mkdir()
    valkey = Valkey()
    exchange.put_environments(valkey.redis, ["dev"])
    routes = {name: Route(name, (package(folder / "artefacts", number),)) for number, name in enumerate("abc", 1)}
    exchange.put_table(valkey.redis, RouteTable("dev", 1, routes, keyless=True))
    process = GatewayProcess(valkey.url, folder / "data", code=HASTY, more={"GATEWAY_SERVER": "uvicorn"}).start()
    try:
        wait_for(process.ready)
        yield process
    finally:
        process.kill()
        valkey.close()


@pytest.fixture
def connection(gateway: GatewayProcess) -> Iterator[socket.socket]:
    with closing(socket.create_connection(("127.0.0.1", gateway.port), timeout=10)) as opened:
        yield opened


def predict(model: str, *lines: str, version: str = "1.1") -> bytes:
    head = [f"POST /dev/v1/models/{model}:predict HTTP/{version}", "host: x", f"content-length: {len(BODY)}", *lines]
    return "\r\n".join([*head, "", ""]).encode() + BODY


@dataclass
class Answer:
    """One answer off the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


def answer(connection: socket.socket, *, body: bool = True) -> Answer:
    """Read exactly one answer: what follows it stays in the socket."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    first, *lines = head.decode().strip().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    length = int(headers["content-length"]) if body else 0
    found = b""
    while len(found) < length:
        found += connection.recv(length - len(found))
    return Answer(int(first.split()[1]), headers, found)


def test_requests_sent_together_are_answered_in_their_order(connection: socket.socket) -> None:
    connection.sendall(predict("a") + b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n" + predict("b") + predict("c"))
    text = b""
    while text.count(b"HTTP/1.1 200") < 4 or not text.endswith(b"}"):
        text += connection.recv(65536)
    found = [text.index(part) for part in (b"[1.0]", b'"live":true', b"[2.0]", b"[3.0]")]
    assert found == sorted(found)


@pytest.mark.parametrize("size", [100, 60_000])
def test_headers_over_the_limit_are_refused_though_they_come_at_once(connection: socket.socket, size: int) -> None:
    connection.sendall(predict("a", *(f"x-{number}: {'y' * size}" for number in range(120_000 // size))))
    reply = answer(connection)
    assert (reply.status, reply.headers["connection"]) == (431, "close")


def test_a_request_in_two_halves_is_one(connection: socket.socket) -> None:
    whole = predict("b")
    connection.sendall(whole[:90])
    time.sleep(0.05)
    connection.sendall(whole[90:])
    assert json.loads(answer(connection).body) == {"predictions": [2.0]}


def test_a_thousand_requests_that_nobody_reads_the_answers_of_do_not_pile_up(
    gateway: GatewayProcess, connection: socket.socket
) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    sent, piece = 0, predict("a") * 100
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        try:
            sent += connection.send(piece)
        except BlockingIOError:
            time.sleep(0.01)
        except ConnectionError:
            break  # its patience has come to an end
    assert sent < 16 * 2**20, "the gateway goes on reading from a client that reads nothing"
    assert gateway.client.post("/dev/v1/models/a:predict", content=BODY).status_code == 200


def test_the_first_version_of_http_closes(connection: socket.socket) -> None:
    connection.sendall(predict("a", version="1.0"))
    reply = answer(connection)
    assert (reply.status, reply.headers["connection"]) == (200, "close")
    assert connection.recv(1) == b""


def test_a_client_that_asks_first_is_told_to_go_on(connection: socket.socket) -> None:
    head, _, body = predict("a", "expect: 100-continue").partition(b"\r\n\r\n")
    connection.sendall(head + b"\r\n\r\n")
    assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.sendall(body)
    assert answer(connection).status == 200


def test_head_has_the_length_and_no_body(connection: socket.socket) -> None:
    connection.sendall(b"HEAD /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n" + predict("a"))
    assert answer(connection, body=False).headers["content-length"] == "26"
    assert json.loads(answer(connection).body) == {"predictions": [1.0]}


def test_who_sends_a_body_too_slowly_is_told_so(connection: socket.socket) -> None:
    connection.sendall(predict("a")[:-1])
    reply = answer(connection)
    assert (reply.status, reply.headers["connection"]) == (408, "close")
    assert "did not come within" in json.loads(reply.body)["error"]
    assert connection.recv(1) == b""


def test_who_asks_nothing_is_let_go(connection: socket.socket) -> None:
    assert connection.recv(1) == b""


def test_who_goes_away_in_the_middle_costs_nothing(gateway: GatewayProcess) -> None:
    for part in (predict("a")[:40], predict("a")[:-1], predict("a")):
        with closing(socket.create_connection(("127.0.0.1", gateway.port), timeout=10)) as gone:
            gone.sendall(part)
    assert gateway.client.post("/dev/v1/models/a:predict", content=BODY).status_code == 200
    assert "Traceback" not in gateway.log.read_text()


def test_a_reply_without_content_has_no_length() -> None:
    assert wired(Reply(204, b"", [("allow", "GET")]), "OPTIONS", keep=True) == (
        b"HTTP/1.1 204 No Content\r\nallow: GET\r\n\r\n"
    )


@pytest.mark.parametrize(("url", "path"), [(b"/a%3Ab?c=d", "/a:b"), (b"/a", "/a"), (b"/%C3%A9", "/é"), (b"/?x", "/")])
def test_an_address_is_its_path(url: bytes, path: str) -> None:
    assert path_of(url) == path
