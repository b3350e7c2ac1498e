"""Does it answer yet? Short questions that a thread asks again and again while something starts."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable

SECONDS = 2.0
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - what listens there is asked here


def reachable(host: str) -> str:
    """Return the host to call for something that listens on `host`."""
    plain = host.strip("[]")
    return ANY_ADDRESS.get(plain, plain)


def answers(
    host: str, port: int, path: str, wanted: int | None = None, trust: ssl.SSLContext | None = None
) -> Callable[[], bool]:
    """Return a question: does GET `path` give an HTTP answer (with the status `wanted`)? With `trust` over TLS."""

    def ask() -> bool:
        connection = _connection(reachable(host), port, trust)
        try:
            connection.request("GET", path)
            return wanted in (None, connection.getresponse().status)
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return ask


def _connection(host: str, port: int, trust: ssl.SSLContext | None) -> http.client.HTTPConnection:
    if trust is None:
        return http.client.HTTPConnection(host, port, timeout=SECONDS)
    return http.client.HTTPSConnection(host, port, timeout=SECONDS, context=trust)
