"""W3C trace context: read what a caller sends, answer with what belongs to the same trace; pure, and nothing else.

https://www.w3.org/TR/trace-context-2/. What does not keep to it is as if it had not been sent.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

Header = tuple[str, str]
# Versions after 00 may append what we cannot read yet; ff is none.
PARENT = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?\Z")
KEY = r"[a-z0-9][a-z0-9_\-*/@]{0,255}"
VALUE = r"[ -+\--<>-~]{0,255}[!-+\--<>-~]"
MEMBER = re.compile(rf"[ \t]*({KEY})=({VALUE})[ \t]*\Z")
NOUGHT = frozenset("0")
SAMPLED, KNOWN_FLAGS = 0x01, 0x03
MOST_MEMBERS, LONGEST_STATE = 32, 8192
LONGEST_PARENT = 512


@dataclass(frozen=True, slots=True)
class Parent:
    """The caller's span: `trace` (32 hex digits), `span` (16), the flags that we know, and its vendors' `state`."""

    trace: str
    span: str
    flags: int
    state: str = ""

    @property
    def sampled(self) -> bool:
        return bool(self.flags & SAMPLED)

    @property
    def header(self) -> str:
        return f"00-{self.trace}-{self.span}-{self.flags:02x}"


def read(traceparent: str | None, tracestate: str | None = None) -> Parent | None:
    """Return the caller's span, None where there is none; a state that is malformed is left out, its parent is not."""
    if traceparent is None or len(traceparent) > LONGEST_PARENT:
        return None
    found = PARENT.match(traceparent)
    if found is None:
        return None
    version, trace, span, flags, more = found.groups()
    if NOUGHT.issuperset(trace) or NOUGHT.issuperset(span) or (version == "00" and more):
        return None
    return Parent(trace, span, int(flags, 16) & KNOWN_FLAGS, read_state(tracestate or ""))


def read_state(text: str) -> str:
    """Return the list of vendors' members in its plainest form, empty where it breaks a rule."""
    if len(text) > LONGEST_STATE:
        return ""
    members = [MEMBER.match(part) for part in text.split(",") if part.strip(" \t")]
    found = {member[1]: member[2] for member in members if member}
    if len(found) != len(members) or len(members) > MOST_MEMBERS:
        return ""
    return ",".join(f"{key}={value}" for key, value in found.items())


def answer(traceparent: str) -> list[Header]:
    """Return the header `traceresponse` with a span of our own in the caller's trace; none for a malformed parent."""
    parent = read(traceparent)
    if parent is None:
        return []
    return [("traceresponse", Parent(parent.trace, new_span(), parent.flags).header)]


def new_span() -> str:
    """Return 16 random hex digits that are not all nought."""
    return f"{secrets.randbelow(2**64 - 1) + 1:016x}"
