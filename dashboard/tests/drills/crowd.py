"""Clients that nobody wishes for, on one event loop: a storm, slow senders, thousands that say nothing.

`python -m dashboard.tests.drills.crowd` runs one of them as a process of its own, so that it shares no lock with the
client whose latency is measured; it prints what it saw as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import uvloop

CONNECTIONS = 1000
TURN = 0.002
NICE = 10


class Caller(asyncio.Protocol):
    """One kept-alive connection with at most one request on its way."""

    def __init__(self, free: list[Caller], seen: Counter[str], waits: list[float]) -> None:
        self._free, self._seen, self._waits, self._sent, self._answer = free, seen, waits, 0.0, b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._free.append(self)

    def send(self, request: bytes) -> None:
        self._sent, self._answer = time.monotonic(), b""
        if not self._transport.is_closing():
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, split, body = self._answer.partition(b"\r\n\r\n")
        if split and len(body) >= _length(head):
            status = head[9:12].decode()
            self._seen[status if status != "503" or b"retry-after" in head.lower() else "503 bare"] += 1
            if status == "503":
                self._waits.append(time.monotonic() - self._sent)
            self._free.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._seen["lost"] += 1
        if self in self._free:
            self._free.remove(self)


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)


async def storm(url: str, request: bytes, seconds: float, rate: float) -> dict[str, Any]:
    """Send `rate` requests a second whatever comes back; a moment without a free connection is `unsent`."""
    free: list[Caller] = []
    seen: Counter[str] = Counter()
    waits: list[float] = []
    await _connect(url, CONNECTIONS, lambda: Caller(free, seen, waits))
    began, sent = time.monotonic(), 0
    while (age := time.monotonic() - began) < seconds:
        while sent < age * rate:
            sent += 1
            if free:
                free.pop().send(request)
            else:
                seen["unsent"] += 1
        await asyncio.sleep(TURN)
    waits.sort()
    refused = waits[int(len(waits) * 0.99)] if waits else None
    return {"sent": sent, "rate": sent / seconds, "seen": dict(seen), "refused_p99": refused}


async def trickle(url: str, request: bytes, seconds: float, rate: float) -> dict[str, Any]:
    """Send one byte a second on each of `rate` connections; those that are closed on us are counted."""
    seen: Counter[str] = Counter()
    callers: list[Caller] = []
    await _connect(url, int(rate), lambda: Caller(callers, seen, []))
    head, split, body = request.partition(b"\r\n\r\n")
    for caller in list(callers):
        caller.send(head + split)
    slow = list(callers)
    for second in range(int(seconds)):
        for caller in slow:
            caller.send(body[second : second + 1])
        await asyncio.sleep(1.0)
    return {"connections": len(slow), "seen": dict(seen)}


async def idle(url: str, request: bytes, seconds: float, rate: float) -> dict[str, Any]:
    """Hold `rate` connections open and say nothing."""
    seen: Counter[str] = Counter()
    callers: list[Caller] = []
    await _connect(url, int(rate), lambda: Caller(callers, seen, []))
    await asyncio.sleep(seconds)
    return {"connections": len(callers), "seen": dict(seen)}


async def _connect(url: str, count: int, make: Callable[[], asyncio.Protocol]) -> None:
    address = urlsplit(url)
    loop = asyncio.get_running_loop()
    for start in range(0, count, 100):
        opening = [loop.create_connection(make, address.hostname, address.port) for _ in range(min(100, count - start))]
        await asyncio.gather(*opening)


KINDS = {"storm": storm, "trickle": trickle, "idle": idle}


def request(url: str, body: bytes) -> bytes:
    """Return the bytes of a POST."""
    address = urlsplit(url)
    head = f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def main() -> None:
    kind, url, seconds, rate, body = sys.argv[1:]
    # On one machine the crowd must not take the core of the client that is measured: elsewhere it would have its own.
    os.nice(NICE)
    work = KINDS[kind](url, request(url, body.encode()), float(seconds), float(rate))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(work)), flush=True)


if __name__ == "__main__":
    main()
