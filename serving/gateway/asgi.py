"""The raw ASGI door: read a body of bounded size, answer it, hand the reply over, close the count."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from serving.gateway.answer import Gateway
from serving.gateway.messages import Reply, Request, error
from serving.metrics.recorder import Recorder

MOST_BODY = 8 * 2**20
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
log = logging.getLogger("slipway.gateway")


class TooLarge(Exception):
    """The body is over the limit."""


class Gone(Exception):
    """The client went away before its body was complete."""


class Door:
    """An ASGI application."""

    def __init__(self, gateway: Gateway, recorder: Recorder, most: int = MOST_BODY) -> None:
        self._gateway, self._recorder, self._most = gateway, recorder, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): text.decode("latin-1") for name, text in reversed(scope["headers"])}
        try:
            body = await read_body(headers, receive, self._most)
        except Gone:
            return
        except TooLarge:
            await hand_over(_too_large(self._most), send)
            return
        await self._answer(Request(scope["method"], scope["path"], headers, body, time.monotonic()), send)

    async def _answer(self, request: Request, send: Send) -> None:
        try:
            reply = await self._gateway.answer(request)
        except Exception:
            log.exception("A request could not be answered.")
            reply = error(500, "The gateway could not answer this request.")
        try:
            await hand_over(reply, send)
        finally:
            if reply.call is not None:
                self._recorder.finish(reply.call)


async def read_body(headers: dict[str, str], receive: Receive, most: int) -> bytes:
    """Return the whole body; raises TooLarge as soon as it is over `most` bytes, Gone when the client left."""
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > most:
        raise TooLarge
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        return _within(message.get("body", b""), most)
    chunks: list[bytes] = []
    size = 0
    while message["type"] == "http.request":
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > most:
            raise TooLarge
        if not message.get("more_body"):
            return b"".join(chunks)
        message = await receive()
    raise Gone


def _within(body: bytes, most: int) -> bytes:
    if len(body) > most:
        raise TooLarge
    return body


async def hand_over(reply: Reply, send: Send) -> None:
    """Send the reply."""
    headers = [(name.encode("latin-1"), text.encode("latin-1")) for name, text in reply.headers]
    headers.append((b"content-length", b"%d" % len(reply.body)))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def _too_large(most: int) -> Reply:
    # What is left of the body would be read as the next request, so this connection ends here.
    return error(413, f"The body is over the limit of {most // 2**20} MiB.", [("connection", "close")])
