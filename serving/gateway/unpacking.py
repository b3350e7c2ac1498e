"""Bodies that come compressed: opened to a bounded size, large ones beside the event loop."""

from __future__ import annotations

import asyncio
import zlib
from concurrent.futures import ThreadPoolExecutor

from serving.gateway.messages import Problem, Request
from serving.gateway.pool import INLINE_BODY
from serving.gateway.reading import MOST_BODY

# Whoever sends a stream that grows more than this beyond the first MiB sends zeros, not requests.
MOST_RATIO, FREE = 100, 2**20
MOST_WAITING = 16
GZIP, ZLIB, BARE = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS
CODINGS = ("gzip", "x-gzip", "deflate")


def coding(name: str) -> str:
    """Return the coding of a body, empty for a plain one; raises Problem 415 for one that is not known here."""
    found = name.strip().lower()
    if found in ("", "identity"):
        return ""
    if found not in CODINGS:
        raise Problem(
            415,
            "A body can be sent as it is, or compressed by gzip or deflate.",
            [("accept-encoding", "gzip, deflate")],
        )
    return found


class Unpacker:
    """Opens bodies: what is small at once, the rest in a thread of its own, with a bounded number that wait for it."""

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="unpacking")
        self._waiting = 0

    async def unpack(self, request: Request) -> None:
        """Replace a compressed body by what it holds; raises Problem 400, 413 and 503."""
        small = _small(request.coding, request.body)
        request.body = await self._beside(request) if small is None else small
        request.coding = ""

    async def _beside(self, request: Request) -> bytes:
        if self._waiting >= MOST_WAITING:
            raise Problem(503, "Too many compressed bodies wait to be opened; try again.", [("retry-after", "1")])
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._worker, inflate, request.coding, request.body)
        finally:
            self._waiting -= 1


def _small(coding: str, body: bytes) -> bytes | None:
    """Return what a body holds that is small when opened, else None."""
    if len(body) > INLINE_BODY:
        return None
    stream = zlib.decompressobj(_bits(coding, body))
    try:
        found = stream.decompress(body, INLINE_BODY)
    except zlib.error:
        return None
    return found if stream.eof and not stream.unused_data else None


def inflate(coding: str, body: bytes, most: int = MOST_BODY) -> bytes:
    """Return what the body holds; raises Problem 400 when it is broken, 413 when it holds too much."""
    stream = zlib.decompressobj(_bits(coding, body))
    allowed = min(most, max(FREE, MOST_RATIO * len(body)))
    try:
        found = stream.decompress(body, allowed + 1)
    except zlib.error as error:
        raise Problem(400, f"The body is not what Content-Encoding: {coding} says.") from error
    if len(found) > allowed:
        words = f"is over the limit of {most // 2**20} MiB" if allowed == most else f"grows more than {MOST_RATIO}-fold"
        raise Problem(413, f"The body, opened, {words}.")
    if not stream.eof or stream.unused_data:
        raise Problem(400, f"The body is cut off, or more follows after its {coding} stream.")
    return found


def _bits(coding: str, body: bytes) -> int:
    """By the standard deflate is zlib's form; some clients send the bare stream."""
    if coding != "deflate":
        return GZIP
    wrapped = len(body) > 1 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0
    return ZLIB if wrapped else BARE
