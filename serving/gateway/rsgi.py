"""The RSGI door (Granian): read a body of bounded size and time, answer it, hand the reply over, close the count."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from granian.rsgi import ProtocolClosed  # type: ignore[attr-defined]

from serving.gateway.after import After
from serving.gateway.answer import Gateway
from serving.gateway.messages import Reply, Request
from serving.gateway.reading import BODY_SECONDS, MOST_BODY, TooLarge, TooSlow, cut_off, too_large, too_slow, unanswered

log = logging.getLogger("slipway.gateway")


class RsgiDoor:
    """An RSGI application."""

    def __init__(self, gateway: Gateway, after: After, most: int = MOST_BODY) -> None:
        self._gateway, self._after, self._most = gateway, after.reply, most
        self._reading: dict[asyncio.Task[Any], float] = {}

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        if scope.proto != "http":
            protocol.close(403)
            return
        request = Request(
            scope.method, scope.path, scope.headers, b"", time.monotonic(), source=scope, query=scope.query_string
        )
        reply = await self._reply(request, protocol)
        try:
            protocol.response_bytes(reply.status, reply.headers, reply.body)
        finally:
            self._after(request, reply)

    async def _reply(self, request: Request, protocol: Any) -> Reply:
        try:
            if request.method != "GET":
                request.body = await self._body(request.headers.get("content-length"), protocol)
                request.began = time.monotonic()
            return await self._gateway.answer(request)
        except TooLarge:
            return too_large(request.path, self._most)
        except TooSlow:
            return too_slow(request.path)
        except ProtocolClosed:
            return cut_off(request.path)
        except Exception:
            log.exception("A request could not be answered.")
            return unanswered(request.path)

    async def _body(self, length: str | None, protocol: Any) -> bytes:
        """Return the body; raises TooLarge, TooSlow, and ProtocolClosed when the client goes away."""
        if length is not None and int(length) > self._most:
            raise TooLarge
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - the server runs every request as a task
        self._reading[task] = time.monotonic()
        try:
            body: bytes = await (protocol() if length is not None else self._chunks(protocol))
            return body
        except asyncio.CancelledError:
            raise TooSlow from None
        finally:
            del self._reading[task]

    async def _chunks(self, protocol: Any) -> bytes:
        chunks, size = [], 0
        async for chunk in protocol:
            chunks.append(chunk)
            size += len(chunk)
            if size > self._most:
                raise TooLarge
        return b"".join(chunks)

    def sweep(self) -> None:
        """Give up on bodies that have been coming for too long; called once a second."""
        since = time.monotonic() - BODY_SECONDS
        for task in [task for task, began in self._reading.items() if began < since]:
            task.cancel()
