"""The raw ASGI door: read a body of bounded size and time, answer it, hand the reply over, close the count."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from serving.gateway.answer import Gateway
from serving.gateway.messages import Reply, Request
from serving.gateway.reading import BODY_SECONDS, MOST_BODY, TooLarge, too_large, too_slow, unanswered
from serving.metrics.recorder import Recorder

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
log = logging.getLogger("slipway.gateway")


class Gone(Exception):
    """The client went away before its body was complete."""


class AsgiDoor:
    """An ASGI application."""

    def __init__(self, gateway: Gateway, recorder: Recorder, most: int = MOST_BODY) -> None:
        self._gateway, self._recorder, self._most = gateway, recorder, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            reply = await self._reply(scope, receive)
        except Gone:
            return
        try:
            await hand_over(reply, send)
        finally:
            if reply.call is not None:
                self._recorder.finish(reply.call)

    async def _reply(self, scope: Scope, receive: Receive) -> Reply:
        headers = {name.decode("latin-1"): text.decode("latin-1") for name, text in reversed(scope["headers"])}
        try:
            body = await read_body(headers, receive, self._most)
            began = time.monotonic()
            return await self._gateway.answer(
                Request(scope["method"], scope["path"], headers, body, began, source=scope)
            )
        except TooLarge:
            return too_large(scope["path"], self._most)
        except TimeoutError:
            return too_slow(scope["path"])
        except Gone:
            raise
        except Exception:
            log.exception("A request could not be answered.")
            return unanswered(scope["path"])


async def read_body(headers: dict[str, str], receive: Receive, most: int) -> bytes:
    """Return the whole body; raises TooLarge as soon as it is over `most` bytes, TimeoutError, Gone."""
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > most:
        raise TooLarge
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
        if len(body) > most:
            raise TooLarge
        return body
    async with asyncio.timeout(BODY_SECONDS):
        return await _rest(message, receive, most)


async def _rest(message: MutableMapping[str, Any], receive: Receive, most: int) -> bytes:
    chunks: list[bytes] = []
    while message["type"] == "http.request":
        chunks.append(message.get("body", b""))
        most -= len(chunks[-1])
        if most < 0:
            raise TooLarge
        if not message.get("more_body"):
            return b"".join(chunks)
        message = await receive()
    raise Gone


async def hand_over(reply: Reply, send: Send) -> None:
    """Send the reply."""
    headers = [(name.encode("latin-1"), text.encode("latin-1")) for name, text in reply.headers]
    if reply.status != 204:
        headers.append((b"content-length", b"%d" % len(reply.body)))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
