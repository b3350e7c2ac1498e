"""What a gateway tells its shadow process: which packages to shadow, then requests with the answers they had."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import BinaryIO

import msgspec

from serving.routing import Shadow

LENGTH = struct.Struct("!I")
# What would be larger is not sent, and what says that it is larger is not read.
MOST_FRAME = 4 * 1024 * 1024


class Watched(msgspec.Struct, frozen=True):
    """One shadow of a route. `deadline` (seconds) is that of the route."""

    environment: str
    model: str
    deadline: float
    shadow: Shadow


class Watch(msgspec.Struct, frozen=True, tag=True):
    """All shadows that this gateway has from now on."""

    shadows: list[Watched]


class Pair(msgspec.Struct, frozen=True, tag=True):
    """A request for the shadows `runs`, and its `answer` (`serving.runtimes.wire`), None where the package failed.

    `headers` are those that say how to read the body; `at` is when it came (epoch), `seconds` what the model took.
    `dropped` says by run how many found no room since the last pair.
    """

    runs: list[int]
    protocol: str
    headers: dict[str, str]
    body: bytes
    answer: bytes | None
    at: float
    id: str
    seconds: float
    dropped: dict[int, int]


_decoder = msgspec.msgpack.Decoder(Watch | Pair)


def frame(message: Watch | Pair) -> bytes:
    """Return the message as it is sent: its length, and itself."""
    data = msgspec.msgpack.encode(message)
    return LENGTH.pack(len(data)) + data


def read(file: BinaryIO) -> Watch | Pair | None:
    """Return the next message, None at the end; raises ValueError for what is none."""
    head = _exactly(file.read, LENGTH.size)
    if head is None:
        return None
    (length,) = LENGTH.unpack(head)
    if length > MOST_FRAME:
        raise ValueError(f"A message of {length} bytes is none of a gateway.")
    data = _exactly(file.read, length)
    return None if data is None else _decoder.decode(data)


def _exactly(read: Callable[[int], bytes], count: int) -> bytes | None:
    found = read(count)
    return found if len(found) == count else None
