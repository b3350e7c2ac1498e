"""What no client library sends: both servers that can carry the gateway answer it clearly, at once, and go on."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import time
import zlib
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import pytest

from serving import exchange
from serving.contract.batch import MOST_ROWS
from serving.gateway.reading import MOST_BODY
from serving.routing import Route, RouteTable
from serving.tests.forms import ROW, package
from serving.tests.processes import GatewayProcess, Valkey, wait_for

BODY = json.dumps({"instances": [ROW]}).encode()
V1, V2 = "/dev/v1/models/eta:predict", "/dev/v2/models/eta/infer"
PATIENCE = 10.0


@pytest.fixture(scope="module", params=["granian", "uvicorn"])
def gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp(request.param)
    store = folder / "artefacts"
    store.mkdir()
    valkey = Valkey()
    exchange.put_environments(valkey.redis, ["dev"])
    exchange.put_table(valkey.redis, RouteTable("dev", 1, {"eta": Route("eta", (package(store, 1),))}, keyless=True))
    process = GatewayProcess(valkey.url, folder / "data", more={"GATEWAY_SERVER": request.param}).start()
    try:
        wait_for(process.ready)
        yield process
    finally:
        process.kill()
        valkey.close()


def raw(gateway: GatewayProcess, *parts: bytes) -> tuple[int, bytes]:
    """Send bytes as they are; return the status (0: the connection was closed without one) and the body."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE) as connection:
        with suppress(OSError):  # refused before all of it was sent
            for part in parts:
                connection.sendall(part)
        try:
            return answer(connection)
        except (http.client.HTTPException, ConnectionError):
            return 0, b""


def answer(connection: socket.socket) -> tuple[int, bytes]:
    with closing(http.client.HTTPResponse(connection)) as reply:
        reply.begin()
        return reply.status, reply.read()


def head(*lines: str, verb: str = f"POST {V1}") -> bytes:
    return "\r\n".join([f"{verb} HTTP/1.1", "host: x", *lines, "", ""]).encode("latin-1")


def sized(body: bytes, *lines: str, path: str = V1) -> bytes:
    return head(*lines, f"content-length: {len(body)}", verb=f"POST {path}") + body


def chunked(*chunks: bytes) -> bytes:
    return head("transfer-encoding: chunked") + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (*chunks, b""))


CASES: dict[str, tuple[bytes, set[int]]] = {
    "a good request is answered": (sized(BODY), {200}),
    "a body in chunks is answered": (chunked(BODY[:5], BODY[5:]), {200}),
    "a length that is no number": (head("content-length: abc") + BODY, {400}),
    "a negative length": (head("content-length: -5") + BODY, {400}),
    "a length with a sign": (head(f"content-length: +{len(BODY)}") + BODY, {400}),
    "a length beyond every number": (head("content-length: " + "9" * 30) + BODY, {400}),
    "two lengths that differ": (head("content-length: 5", f"content-length: {len(BODY)}") + BODY, {400}),
    "a chunk whose size is no number": (head("transfer-encoding: chunked") + b"zz\r\n" + BODY, {400}),
    "neither length nor chunks is an empty body": (head(), {400}),
    "a length over the limit": (head(f"content-length: {MOST_BODY + 1}"), {413}),
    "a length over the limit, asked first": (head(f"content-length: {MOST_BODY + 1}", "expect: 100-continue"), {413}),
    "chunks over the limit": (chunked(*[b" " * 2**20] * 9), {413, 0}),
    "no HTTP": (b"hello\r\n\r\n", {400}),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 0}),
    "a header with a zero byte": (head("a: b\0c", "content-length: 0"), {400}),
    "a path outside ASCII": (head(verb="GET /\xff/v2/models"), {400}),
    "a path of escapes that are no text": (head(verb="GET /dev/v1/models/%ff%00"), {404}),
    "an escaped colon is a colon": (sized(BODY, path="/dev/v1/models/eta%3Apredict"), {200}),
    "a path that is too long": (head(verb="GET /" + "a" * 100_000), {400, 414}),
    "a method that does not exist": (head(verb=f"FOO {V1}"), {400, 405}),
    "CONNECT": (head(verb="CONNECT x:80"), {400, 405}),
    "headers of 10 MiB": (head("a: " + "b" * 10 * 2**20), {431}),
    "a header that never ends": (head()[:-2] + b"a: " + b"b" * 10 * 2**20, {431}),
    "gzip": (sized(gzip.compress(BODY), "content-encoding: gzip"), {200}),
    "deflate": (sized(zlib.compress(BODY), "content-encoding: deflate"), {200}),
    "broken gzip": (sized(b"\x1f\x8b" + BODY, "content-encoding: gzip"), {400}),
    "a gzip bomb": (sized(gzip.compress(bytes(64 * 2**20)), "content-encoding: gzip"), {413}),
    "an unknown coding": (sized(BODY, "content-encoding: br"), {415}),
    "a byte order mark": (sized(b"\xef\xbb\xbf" + BODY), {400}),
    "UTF-16": (sized(BODY.decode().encode("utf-16")), {400}),
    "what is not UTF-8": (sized(BODY.replace(b"JFK", b"\xff")), {400}),
    "a name that is given twice": (sized(b'{"instances":[{"hour":1,"hour":2}]}'), {400}),
    "lists in lists in lists": (sized(b'{"instances":' + b"[" * 100_000), {400}),
    "objects in objects": (sized(b'{"inputs":[],"a":' * 50_000, path=V2), {400}),
    "a number beyond its type": (sized(BODY.replace(b"529", b"9" * 400)), {400}),
    "one row too many": (sized(json.dumps({"instances": [ROW] * (MOST_ROWS + 1)}).encode()), {400}),
}  # fmt: skip


@pytest.mark.parametrize("says", CASES)
def test_it_is_answered_clearly_and_at_once(gateway: GatewayProcess, says: str) -> None:
    sent, statuses = CASES[says]
    began = time.monotonic()
    status, body = raw(gateway, sent)
    assert status in statuses, body
    assert time.monotonic() - began < PATIENCE
    assert gateway.client.get("/v2/health/live").status_code == 200
    if body.startswith(b"{"):
        assert status == 200 or json.loads(body)["error"]


def test_a_request_that_is_refused_is_told_in_its_protocols_form(gateway: GatewayProcess) -> None:
    for path, names in ((V1, {"error", "details"}), (V2, {"error"}), ("/nothing", {"error"})):
        _, body = raw(gateway, head(f"content-length: {MOST_BODY + 1}", verb=f"POST {path}"))
        assert json.loads(body).keys() == names


def test_what_follows_a_body_is_not_part_of_it(gateway: GatewayProcess) -> None:
    hidden = b"GET /nothing HTTP/1.1\r\n\r\n"
    asked = (
        head(f"content-length: {len(hidden)}", verb="GET /dev/v2/models/eta")
        + hidden
        + head(verb="GET /v2/health/live")
    )
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE) as connection:
        connection.sendall(asked)
        found = b""
        while b'"ready":true' not in found:
            part = connection.recv(65536)
            assert part, found
            found += part
    assert (found.count(b"HTTP/1.1 200"), found.count(b"HTTP/1.1")) == (2, 2)


def test_a_client_that_goes_away_in_the_middle_is_no_error(gateway: GatewayProcess) -> None:
    before = gateway.log.read_text()
    for length in (b"content-length: 500\r\n\r\n", b"transfer-encoding: chunked\r\n\r\n5\r\n"):
        with socket.create_connection(("127.0.0.1", gateway.port)) as connection:
            connection.sendall(head()[:-2] + length + BODY[:5])
    assert gateway.client.get("/v2/health/live").status_code == 200
    time.sleep(0.2)
    assert "Traceback" not in gateway.log.read_text()[len(before) :]


def test_head_is_get_without_a_body(gateway: GatewayProcess) -> None:
    for path, status in (("/dev/v2/models/eta", 200), ("/dev/v2/models/none", 404), (V1, 405)):
        reply: Any = gateway.client.head(path)
        assert (reply.status_code, reply.content) == (status, b"")
        assert reply.headers["content-length"] == gateway.client.get(path).headers["content-length"]
