"""The physical limit: a bare hello, behind the gateway's own server with the gateway's own settings."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import uvloop

from serving.gateway import server
from serving.gateway.config import Config

TEXT = [("content-type", "text/plain")]


class RsgiHello:
    """Answers everything with hello, by RSGI."""

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        protocol.response_bytes(200, TEXT, b"hello")


async def asgi_hello(scope: Any, receive: Any, send: Any) -> None:
    """Answer everything with hello, by ASGI."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"hello"})


async def main(kind: str, port: int) -> None:
    config = Config("hello", "127.0.0.1", port, ("production",), frozenset(), "unix://nowhere", Path("nowhere"))
    made = {
        "granian": lambda: server.GranianServer(config, RsgiHello()),  # type: ignore[arg-type]
        "uvicorn": lambda: server.UvicornServer(config, asgi_hello),  # type: ignore[arg-type]
    }[kind]()
    await server.until_signal(made)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1], int(sys.argv[2])))
