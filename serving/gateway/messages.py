"""A request as the doors hand it in, and a reply as they send it out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from serving.metrics.recorder import Call

JSON = ("content-type", "application/json")
Header = tuple[str, str]


class Headers(Protocol):
    """Headers by lower-case name; of several of one name, the first."""

    def get(self, name: str, /) -> str | None: ...


@dataclass(slots=True)
class Request:
    """`began` is when the body was complete (monotonic seconds), `coding` how it is compressed, empty if it is not.

    `source` is what the server tells of the connection; it is looked at only for the log. `query` is what stands
    behind the question mark; of a prediction it says nothing, and may be left out.
    """

    method: str
    path: str
    headers: Headers
    body: bytes
    began: float
    coding: str = ""
    source: Any = None
    query: str = ""


class Lines:
    """Headers that many replies share, also as they go over the wire."""

    __slots__ = ("pairs", "wire")

    def __init__(self, *pairs: Header) -> None:
        self.pairs, self.wire = pairs, on_the_wire(pairs)


def on_the_wire(pairs: Iterable[Header]) -> str:
    return "".join([f"{name}: {text}\r\n" for name, text in pairs])


NONE = Lines()


@dataclass(slots=True)
class Reply:
    """`own` are headers of this reply alone, `shared` those of all that came from where it comes from.

    `call` is the request's open count, finished once the reply has been handed over. `kind` says in a word why a
    request got no further, where the status alone does not.
    """

    status: int
    body: bytes
    own: list[Header] = field(default_factory=list)
    call: Call | None = None
    kind: str = ""
    shared: Lines = NONE

    @property
    def headers(self) -> list[Header]:
        return [*self.own, *self.shared.pairs]


class Problem(Exception):
    """An answer that is an error: its status, a sentence for people, headers that belong to it, and its kind."""

    def __init__(self, status: int, words: str, headers: Iterable[Header] = (), kind: str = "") -> None:
        super().__init__(words)
        self.status, self.headers, self.kind = status, list(headers), kind


def error(status: int, words: str, headers: Iterable[Header] = ()) -> Reply:
    """Return `{"error": words}`."""
    return Reply(status, msgspec.json.encode({"error": words}), [JSON, *headers])


def value(found: object, headers: Iterable[Header] = ()) -> Reply:
    """Return a 200 with a JSON value."""
    return Reply(200, msgspec.json.encode(found), [JSON, *headers])
