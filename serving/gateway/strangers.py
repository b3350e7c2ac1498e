"""Who called with a key that will not do, for the log: by address, once a second, and only so many."""

from __future__ import annotations

import ipaddress
from collections import Counter
from typing import Any

from serving.gateway.messages import Headers, Request

MOST, SHOWN = 1000, 5
UNKNOWN = "an unknown address"


class Strangers:
    """`hops` is how many proxies stand in front, each of which adds to X-Forwarded-For."""

    def __init__(self, hops: int = 0) -> None:
        self._hops = hops
        self._seen: Counter[tuple[str, str, str]] = Counter()

    def note(self, environment: str, words: str, request: Request) -> None:
        """Count a call that was refused with these words."""
        name = (environment, words, address(peer(request.source), request.headers, self._hops))
        if name not in self._seen and len(self._seen) >= MOST:
            name = (environment, words, "other addresses")
        self._seen[name] += 1

    def told(self) -> list[str]:
        """Return a line for each environment and reason since the last call."""
        lines: dict[tuple[str, str], Counter[str]] = {}
        for (environment, words, who), count in self._seen.items():
            lines.setdefault((environment, words), Counter())[who] += count
        self._seen.clear()
        return [_line(*name, callers) for name, callers in lines.items()]


def _line(environment: str, words: str, callers: Counter[str]) -> str:
    most = [f"{who}: {count}" for who, count in callers.most_common(SHOWN)]
    more = [f"{len(callers) - SHOWN} more"] if len(callers) > SHOWN else []
    calls = "1 call" if callers.total() == 1 else f"{callers.total()} calls"
    return f"{environment}: {calls} refused ({', '.join(most + more)}). {words}"


def address(peer: str, headers: Headers, hops: int) -> str:
    """Return the caller's address: the peer's, or behind `hops` proxies what the outermost of ours wrote down.

    What stands further to the left a caller can have written himself, so it is not believed.
    """
    if not hops:
        return peer
    passed = [text.strip() for text in (headers.get("x-forwarded-for") or "").split(",") if text.strip()]
    said = passed[-hops] if len(passed) >= hops else ""
    try:
        return str(ipaddress.ip_address(said))
    except ValueError:
        return peer


def peer(source: Any) -> str:
    """Return the address at the other end of the connection, as the server under the door tells it."""
    client = source.get("client") if isinstance(source, dict) else getattr(source, "client", None)
    if not client:
        return UNKNOWN
    return str(client[0]) if isinstance(client, tuple | list) else str(client).rpartition(":")[0].strip("[]")
