"""Servers with a known behaviour, for proofs of the generator: `python -m testing.tests.servers freezing`.

Raw HTTP/1.1 on an event loop, because a server that is slower than the generator would be what is measured. Prints its
address and serves until it is killed, ten minutes at most.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any

import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
PERIOD, FREEZE = 10.0, 1.0
LIFE_SECONDS = 600.0
Delay = Callable[[], float]


class Protocol(asyncio.Protocol):
    """Answers each request after the delay that its server asks; a request is whole when its body is."""

    def __init__(self, delay: Delay) -> None:
        self.delay, self.held = delay, b""
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.held += data
        while (end := self.held.find(b"\r\n\r\n")) >= 0:
            whole = end + 4 + length(self.held[:end])
            if len(self.held) < whole:
                return
            self.held = self.held[whole:]
            wait = self.delay()
            if wait > 0:
                asyncio.get_running_loop().call_later(wait, self.answer)
            else:
                self.answer()

    def answer(self) -> None:
        if self.transport and not self.transport.is_closing():
            self.transport.write(ANSWER)


def length(head: bytes) -> int:
    """Return the content length that the head of a request names."""
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0


def quick() -> Delay:
    """At once."""
    return lambda: 0.0


def freezing() -> Delay:
    """Answers nothing in the last second of every ten, and then all of it at once."""
    began = time.monotonic()

    def delay() -> float:
        phase = (time.monotonic() - began) % PERIOD
        return PERIOD - phase if phase >= PERIOD - FREEZE else 0.0

    return delay


def limited(rate: str) -> Delay:
    """One after the other, so many a second; who comes too early waits in line."""
    free = [0.0]

    def delay() -> float:
        now = time.monotonic()
        free[0] = max(now, free[0]) + 1 / float(rate)
        return free[0] - now

    return delay


KINDS: dict[str, Callable[..., Delay]] = {"quick": quick, "freezing": freezing, "limited": limited}


async def serve(delay: Delay) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Protocol(delay), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", flush=True)
    await asyncio.sleep(LIFE_SECONDS)


if __name__ == "__main__":
    uvloop.run(serve(KINDS[sys.argv[1]](*sys.argv[2:])))
