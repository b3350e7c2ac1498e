"""The straight door: uvicorn's HTTP protocol, without ASGI between the parser and the gateway.

uvicorn parses (llhttp), speaks TLS, holds back who sends too fast and ends connections in good order. What its ASGI
interface adds to every request (a task, an event, messages) costs more than a prediction, so a request that is whole is
answered straight from here. A connection has one request answered at a time; what it sends meanwhile waits its turn.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Coroutine
from functools import lru_cache, partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.gateway.after import After
from serving.gateway.answer import Gateway
from serving.gateway.heads import END, Head, Heads
from serving.gateway.messages import Reply, Request, error
from serving.gateway.pool import INLINE_BODY
from serving.gateway.reading import (
    BODY_SECONDS,
    IDLE_SECONDS,
    MOST_ADDRESS,
    MOST_BODY,
    MOST_HEADERS,
    too_large,
    too_slow,
    unanswered,
)
from serving.gateway.replies import path_of, query_of, wired

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
log = logging.getLogger("slipway.gateway")
Answering = Coroutine[Any, None, Reply]


class _Nobody:
    """uvicorn wakes who waits for more of a request; here nobody does, because it is whole before it is answered."""

    def set(self) -> None:
        pass


NOTHING = Request("", "", {}, b"", 0.0)


class Exchange:
    """One request, and whether it has its reply, under the names by which uvicorn's protocol looks at it."""

    __slots__ = (
        *("body", "disconnected", "headers", "keep_alive", "method", "path", "query", "request", "response_complete"),
    )
    message_event = _Nobody()
    request: Request

    def __init__(
        self, method: str, path: str, headers: dict[str, str], body: bytes, keep_alive: bool, query: str = ""
    ) -> None:
        self.method, self.path, self.headers, self.body, self.query = method, path, headers, body, query
        self.keep_alive = keep_alive
        self.disconnected = self.response_complete = False


class StraightDoor:
    """What the connections of one gateway share; `sweep` is called once a second."""

    def __init__(self, gateway: Gateway, after: After, most: int = MOST_BODY) -> None:
        self.gateway, self.after, self.most = gateway, after.reply, most
        self.connections: set[StraightHttp] = set()
        self.heads = Heads()

    def connect(self, *arguments: Any, **named: Any) -> StraightHttp:
        """Return the protocol of a new connection, for uvicorn."""
        return StraightHttp(self, *arguments, **named)

    def sweep(self) -> None:
        """Give up on who has been sending a request for too long, and on who has long asked nothing."""
        now = time.monotonic()
        for connection in [each for each in self.connections if each.until < now]:
            connection.give_up()


class StraightHttp(HttpToolsProtocol):
    """One connection. `until` (monotonic) is how long it waits for its client."""

    def __init__(self, door: StraightDoor, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._door = door
        self._waiting: deque[Exchange] = deque()
        self._fields: dict[str, str] = {}
        self._chunks: list[bytes] = []
        self._size, self._head = 0, 0
        self._in_head, self._sending, self._refused = False, False, False
        self._known = Exchange("POST", "", {}, b"", True)
        self._hand_over_known = partial(self._hand_over, self._known)
        # What came in one piece while nothing else was under way.
        self._whole = b""
        self.until = time.monotonic() + IDLE_SECONDS

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._door.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._door.connections.discard(self)
        self._waiting.clear()
        super().connection_lost(exc)

    # A request comes in.

    def data_received(self, data: bytes) -> None:
        if self._sending or self._refused or self._waiting or not self._free():
            self._whole = b""
        else:
            end = data.find(END) + len(END)
            head = self._door.heads.get(data[:end])
            if head is not None and len(data) - end == head.length:
                self._answer_known(head, data[end:])
                return
            self._whole = data
        unfinished = self._in_head
        super().data_received(data)
        if unfinished and self._in_head:
            self._size += len(data)
            if self._size > MOST_HEADERS:
                self._turn_away(_crowded())

    def on_message_begin(self) -> None:
        self.url, self._fields, self._chunks = b"", {}, []
        self._size, self._head, self._in_head, self._sending = 0, 0, True, True
        if self._free():
            self.until = time.monotonic() + BODY_SECONDS

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head += len(name) + len(value)
        self._fields.setdefault(_lower(name), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        self._size, self._in_head = 0, False
        length = self._fields.get("content-length", "")
        if self._head > MOST_HEADERS:
            self._turn_away(_crowded())
        elif not self.url.startswith(b"/"):
            self._turn_away(error(400, "The address must be a path, such as /v2/models."))
        elif len(self.url) > MOST_ADDRESS:
            self._turn_away(error(414, f"The address is over the limit of {MOST_ADDRESS // 1024} KiB."))
        elif length.isdecimal() and int(length) > self._door.most:
            self._turn_away(too_large(path_of(self.url), self._door.most))
        elif self._fields.get("expect", "").lower() == "100-continue" and self._free():
            self.transport.write(CONTINUE)

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > self._door.most:
            self._turn_away(too_large(path_of(self.url), self._door.most))
        elif not self._refused:
            self._chunks.append(body)

    def on_message_complete(self) -> None:
        self._sending = False
        if self._refused:
            return
        keep = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        method, path = self.parser.get_method().decode("ascii"), path_of(self.url)
        if keep and method == "POST" and self._whole:
            self._door.heads.learn(self._whole, Head(path, self._fields, len(body)))
        self._chunks, self._whole = [], b""
        exchange = Exchange(method, path, self._fields, body, keep, query_of(self.url))
        if self._free() and not self._waiting:
            self._begin(exchange)
        else:
            self._waiting.append(exchange)
            self.flow.pause_reading()

    def _free(self) -> bool:
        """Whether nothing is being answered on this connection, and the client reads what it was sent."""
        return (self.cycle is None or self.cycle.response_complete) and not self.flow.write_paused

    def give_up(self) -> None:
        """End a connection that has kept us waiting for too long."""
        if self._sending:
            self._turn_away(too_slow(path_of(self.url)))
        else:
            self.transport.close()

    def _turn_away(self, reply: Reply) -> None:
        """What is still to come of this request would be read as the next one, so the connection ends."""
        if not self._refused and self._free() and not self.transport.is_closing():
            self.transport.write(wired(reply, "POST", keep=False))
            self._door.after(
                Request("POST", path_of(self.url), self._fields, b"", time.monotonic(), source=self), reply
            )
        self._refused = True
        self.transport.close()

    # It is answered.

    def _answer_known(self, head: Head, body: bytes) -> None:
        """One exchange is enough: the next request of this connection is looked at when this one has its reply."""
        exchange = self._known
        self.cycle, self.until = exchange, math.inf  # type: ignore[assignment]
        exchange.response_complete, exchange.keep_alive = False, True
        exchange.request = request = Request("POST", head.path, head.headers, body, time.monotonic(), source=self)
        try:
            if not self._door.gateway.straight(request, self._hand_over_known):
                self._step(exchange, self._door.gateway.answer(request))
        except Exception as failure:
            self._hand_over(exchange, _failed(exchange, failure))

    def _begin(self, exchange: Exchange) -> None:
        self.cycle, self.until = exchange, math.inf  # type: ignore[assignment]
        began = time.monotonic()
        request = Request(exchange.method, exchange.path, exchange.headers, exchange.body, began, source=self)
        request.query = exchange.query
        exchange.request = request
        answering = self._door.gateway.answer(request)
        if len(exchange.body) <= INLINE_BODY and "content-encoding" not in exchange.headers:
            self._step(exchange, answering)
        else:
            task = self.loop.create_task(answering)
            self.tasks.add(task)  # type: ignore[arg-type]
            task.add_done_callback(partial(self._done, exchange))

    def _step(self, exchange: Exchange, answering: Answering, _: object = None) -> None:
        """Go on with an answer until it waits for its model: a task's work, for what waits once and for one thing."""
        try:
            waits = answering.send(None)
        except StopIteration as found:
            self._hand_over(exchange, found.value)
        except Exception as failure:
            self._hand_over(exchange, _failed(exchange, failure))
        else:
            waits.add_done_callback(partial(self._step, exchange, answering))

    def _done(self, exchange: Exchange, task: asyncio.Task[Reply]) -> None:
        self.tasks.discard(task)
        if task.cancelled():
            self.transport.close()
            return
        failure = task.exception()
        self._hand_over(exchange, task.result() if failure is None else _failed(exchange, failure))

    def _hand_over(self, exchange: Exchange, reply: Reply) -> None:
        exchange.response_complete = True
        gone = self.transport.is_closing()
        if not gone:
            self.transport.write(wired(reply, exchange.method, exchange.keep_alive))
        self._door.after(exchange.request, reply)
        # A connection that idles must not hold what it was sent last.
        exchange.request, exchange.body = NOTHING, b""
        self.server_state.total_requests += 1
        if not exchange.keep_alive:
            self.transport.close()
        elif not gone:
            self.until = time.monotonic() + (BODY_SECONDS if self._sending else IDLE_SECONDS)
            self._next()

    def _next(self) -> None:
        if self._waiting and self._free() and not self.transport.is_closing():
            exchange = self._waiting.popleft()
            if not self._waiting:
                self.flow.resume_reading()
            self._begin(exchange)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._next()


@lru_cache(maxsize=512)
def _lower(name: bytes) -> str:
    return name.decode("latin-1").lower()


def _crowded() -> Reply:
    return error(431, f"The headers are over the limit of {MOST_HEADERS // 1024} KiB.")


def _failed(exchange: Exchange, failure: BaseException) -> Reply:
    log.error("A request could not be answered.", exc_info=failure)
    return unanswered(exchange.request.path)
