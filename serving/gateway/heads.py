"""Heads of requests that were parsed before: most clients send the same lines again and again, byte for byte.

A request whose head is known, and whose body came with it, needs no parser: what the parser made of it is remembered.
"""

from __future__ import annotations

from dataclasses import dataclass

from serving.gateway.pool import INLINE_BODY

END = b"\r\n\r\n"
MOST, MOST_HEAD = 1024, 4096
# With one of these a request asks for more than its prediction, or says how its body comes.
SPECIAL = frozenset(
    {
        *("connection", "upgrade", "expect", "transfer-encoding", "content-encoding"),
        *("x-package", "x-route-key", "x-deadline-ms", "x-request-id", "traceparent"),
    }
)


@dataclass(frozen=True, slots=True)
class Head:
    """What stands in the head of a plain POST that keeps its connection; its body has `length` bytes."""

    path: str
    headers: dict[str, str]
    length: int


class Heads:
    """The heads that one gateway knows, by their bytes; a flood of new ones starts it afresh."""

    def __init__(self) -> None:
        self._known: dict[bytes, Head] = {}
        self.get = self._known.get

    def __len__(self) -> int:
        return len(self._known)

    def learn(self, data: bytes, head: Head) -> None:
        """Remember a head whose request came as exactly these bytes, if it is a plain one."""
        size = len(data) - head.length
        if size > MOST_HEAD or head.length > INLINE_BODY or data.find(END) + len(END) != size:
            return
        headers = head.headers
        if headers.get("content-length") != str(head.length) or not _plain(headers):
            return
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[data[:size]] = head


def _plain(headers: dict[str, str]) -> bool:
    special = SPECIAL & headers.keys()
    return not special or (special == {"connection"} and headers["connection"].lower() == "keep-alive")
