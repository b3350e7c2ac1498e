"""The physical limit: a bare hello, behind the gateway's own server with the gateway's own settings."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import uvloop

from serving.gateway import server
from serving.gateway.after import After
from serving.gateway.config import Config
from serving.gateway.granian import GranianServer
from serving.gateway.messages import Reply, Request
from serving.gateway.straight import StraightDoor
from serving.gateway.world import Live
from serving.metrics.recorder import Recorder

TEXT = [("content-type", "text/plain")]


class RsgiHello:
    """Answers everything with hello, by RSGI."""

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        protocol.response_bytes(200, TEXT, b"hello")


class StraightHello:
    """Answers everything with hello, straight."""

    async def answer(self, request: Request) -> Reply:
        return Reply(200, b"hello", list(TEXT))


async def main(kind: str, port: int) -> None:
    config = Config("hello", "127.0.0.1", port, ("production",), frozenset(), "unix://nowhere", Path("nowhere"))
    made = {
        "granian": lambda: GranianServer(config, RsgiHello()),  # type: ignore[arg-type]
        "uvicorn": lambda: server.UvicornServer(config, StraightDoor(StraightHello(), After(Recorder(), Live()))),  # type: ignore[arg-type]
    }[kind]()
    await server.until_signal(made)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1], int(sys.argv[2])))
