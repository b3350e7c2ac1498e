"""Requests whose head is known: they are answered as the parser would have had it, however the bytes come."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.gateway.after import After
from serving.gateway.heads import MOST, Head, Heads
from serving.gateway.straight import StraightDoor
from serving.routing import Key, Route, RouteTable
from serving.tests.forms import ROW, package
from serving.tests.inside import Inside

pytestmark = pytest.mark.same_everywhere
CHANGING = ("x-request-id", "traceresponse", "ratelimit")
SECRET = "sk_plain_secret"
PATH = "/dev/v1/models/eta:predict"
CONNECTIONS, MIB = 20, 1 << 20
GOOD, BAD = json.dumps({"instances": [ROW]}).encode(), b'{"instances": [{}]}'


def request(body: bytes, *lines: str, path: str = PATH) -> bytes:
    head = [f"POST {path} HTTP/1.1", "Host: here", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join([*head, "", ""]).encode() + body


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.out, self.closed = b"", False

    def write(self, data: Any) -> None:
        self.out += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name in ("peername", "sockname") else default

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Here:
    """A gateway and its straight door in this process."""

    def __init__(self, folder: Path) -> None:
        folder.joinpath("artefacts").mkdir()
        routes = {"eta": Route("eta", (package(folder / "artefacts", 1),))}
        key = Key(
            hashlib.sha256(SECRET.encode()).hexdigest(),
            "sk_",
            ("eta",),
            pin=True,
            expires=None,
            requests_per_second=10**6,
            row=1,
        )
        self.inside = Inside(folder, RouteTable("dev", 1, routes, keys=(key,)))
        after = After(self.inside.recorder, self.inside.live)
        self.door = StraightDoor(self.inside.gateway, after)
        self.config = uvicorn.Config(object(), loop="none", lifespan="off", ws="none", log_config=None)  # type: ignore[arg-type]
        self.config.load()

    def connection(self, wire: Wire) -> Any:
        """Return a new connection that writes to `wire`, on the running loop."""
        state = uvicorn.server.ServerState()
        made = self.door.connect(config=self.config, server_state=state, app_state={}, _loop=asyncio.get_running_loop())
        made.connection_made(wire)
        return made

    async def send(self, pieces: list[bytes], answers: int) -> bytes:
        """Return what a new connection answers to these pieces, one after the other."""
        wire = Wire()
        connection = self.connection(wire)
        for piece in pieces:
            connection.data_received(piece)
            await asyncio.sleep(0)
        for _ in range(200):
            if wire.out.count(b"HTTP/1.1 ") >= answers:
                break
            await asyncio.sleep(0.005)
        connection.connection_lost(None)
        return wire.out

    def sent(self, *pieces: bytes, answers: int) -> list[tuple[int, dict[str, str], bytes]]:
        return list(read(asyncio.run(self.send(list(pieces), answers))))


def read(out: bytes) -> Iterator[tuple[int, dict[str, str], bytes]]:
    while out:
        head, _, rest = out.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        length = int(headers["content-length"])
        body, out = rest[:length], rest[length:]
        yield int(first.split()[1]), {n: t for n, t in headers.items() if n not in CHANGING}, body


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Here:
    return Here(tmp_path_factory.mktemp("heads"))


AUTHORIZED = f"Authorization: Bearer {SECRET}"
SORTS = {
    "good": request(GOOD, AUTHORIZED),
    "JSON": request(GOOD, AUTHORIZED, "Content-Type: application/json"),
    "bad": request(BAD, AUTHORIZED),
    "no key": request(GOOD),
    "no such model": request(GOOD, AUTHORIZED, path="/dev/v1/models/nobody:predict"),
    "text": request(GOOD, AUTHORIZED, "Content-Type: text/plain"),
    "pinned": request(GOOD, AUTHORIZED, "X-Package: 1"),
    "pinned to none": request(GOOD, AUTHORIZED, "X-Package: 9"),
    "own id": request(GOOD, AUTHORIZED, "X-Request-Id: mine"),
    "traced": request(GOOD, AUTHORIZED, f"traceparent: 00-{'a' * 32}-{'b' * 16}-01"),
    "kept": request(GOOD, AUTHORIZED, "Connection: keep-alive"),
    "empty": request(b"", AUTHORIZED),
    "in chunks": request(b"", AUTHORIZED, "X: y").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    + b"%x\r\n%b\r\n0\r\n\r\n" % (len(GOOD), GOOD),
}


@pytest.mark.parametrize("sort", SORTS)
def test_the_second_request_is_answered_as_the_first(here: Here, sort: str) -> None:
    here.door.heads = Heads()
    first, second = here.sent(SORTS[sort], SORTS[sort], answers=2)
    assert first == second


@given(
    sorts=st.lists(st.sampled_from(list(SORTS)), min_size=1, max_size=6),
    cuts=st.lists(st.integers(1, 3000), max_size=8),
    together=st.booleans(),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_however_the_bytes_come_the_answers_are_the_same(
    here: Here, sorts: list[str], cuts: list[int], together: bool
) -> None:
    here.door.heads = Heads()
    stream = b"".join(SORTS[sort] for sort in sorts)
    alone = [answer for sort in sorts for answer in here.sent(SORTS[sort], answers=1)]
    places = sorted({cut for cut in cuts if cut < len(stream)}) if together else boundaries(sorts)
    pieces = [stream[a:b] for a, b in zip([0, *places], [*places, len(stream)], strict=True) if a < b]
    assert here.sent(*pieces, answers=len(sorts)) == alone


def boundaries(sorts: list[str]) -> list[int]:
    found, at = [], 0
    for sort in sorts[:-1]:
        at += len(SORTS[sort])
        found.append(at)
    return found


def test_a_known_head_needs_no_parser_and_each_counts_once(here: Here) -> None:
    here.door.heads = Heads()
    before = counted(here)
    here.sent(*[SORTS["good"]] * 5, answers=5)
    assert here.door.heads.get(SORTS["good"].removesuffix(GOOD)) is not None
    assert counted(here) - before == 5


def counted(here: Here) -> int:
    return sum(total.completions for total in here.inside.recorder.totals([]).values())


@pytest.mark.parametrize("sort", ["good", "bad", "own id"])
def test_requests_leave_nothing_for_the_garbage_collector(here: Here, sort: str) -> None:
    """A cycle for each request would be a pause of a millisecond many times a second."""

    def left(count: int) -> int:
        gc.collect()
        gc.disable()
        try:
            here.sent(*[SORTS[sort]] * count, answers=count)
            return gc.collect()
        finally:
            gc.enable()

    left(5)
    assert left(200) - left(20) < 60


def test_connections_that_idle_hold_no_body(here: Here) -> None:
    async def held() -> int:
        before, open_ones = tracemalloc.get_traced_memory()[0], []
        for _ in range(CONNECTIONS):
            wire = Wire()
            open_ones.append(here.connection(wire))
            open_ones[-1].data_received(request(GOOD + b" " * MIB))
            while not wire.out:
                await asyncio.sleep(0.001)
        now = tracemalloc.get_traced_memory()[0]
        for connection in open_ones:
            connection.connection_lost(None)
        return now - before

    here.sent(request(GOOD + b" " * MIB), answers=1)
    tracemalloc.start()
    try:
        assert asyncio.run(held()) < 2 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("sort", ["pinned", "own id", "traced", "in chunks"])
def test_a_head_that_asks_for_more_is_left_to_the_parser(here: Here, sort: str) -> None:
    here.door.heads = Heads()
    here.sent(SORTS[sort], SORTS[sort], answers=2)
    head = re.split(rb"(?<=\r\n\r\n)", SORTS[sort])[0]
    assert here.door.heads.get(head) is None


def test_a_flood_of_heads_is_not_kept() -> None:
    heads = Heads()
    for number in range(MOST + 10):
        data = request(GOOD, f"X-Number: {number}")
        heads.learn(data, Head(PATH, {"content-length": str(len(GOOD))}, len(GOOD)))
    assert len(heads) <= MOST


@pytest.mark.parametrize("length", ["+5", "05", " 5", "5, 5"])
def test_a_length_that_could_be_read_two_ways_is_not_remembered(length: str) -> None:
    heads = Heads()
    data = f"POST {PATH} HTTP/1.1\r\nContent-Length: {length}\r\n\r\n12345".encode()
    heads.learn(data, Head(PATH, {"content-length": length}, 5))
    assert len(heads) == 0
