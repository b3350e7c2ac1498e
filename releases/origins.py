"""The origin of a web page, in the one form in which browsers send it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from releases.errors import Refused

MOST = 20
HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
ADDRESS = re.compile(r"\[[0-9a-f:.]+\]\Z")
USUAL = {"http": 80, "https": 443}


def origins(texts: list[str]) -> list[str]:
    """Return each once, as browsers send them; raises Refused, naming the field."""
    found = list(dict.fromkeys(origin(text) for text in texts if text.strip()))
    if len(found) > MOST:
        raise Refused(f"A key can have {MOST} origins at most.", "origins")
    return found


def origin(text: str) -> str:
    """Return `scheme://host[:port]` in small letters, without a usual port; raises Refused for anything else."""
    wrong = Refused(
        "An origin looks like https://shop.example.com, or http://localhost:5173: no path, no wildcard.", "origins"
    )
    try:
        parts = urlsplit(text.strip().lower())
        port = parts.port
    except ValueError:
        raise wrong from None
    host = parts.netloc if port is None else parts.netloc.rpartition(":")[0]
    if parts.scheme not in USUAL or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise wrong
    if len(host) > 253 or not (HOST.match(host) or ADDRESS.match(host)):
        raise wrong
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, USUAL[parts.scheme]) else "")
