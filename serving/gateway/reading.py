"""The limits of a body that both doors keep, and what they say about it."""

from __future__ import annotations

from serving.gateway.messages import Reply
from serving.gateway.protocols import error

MOST_BODY = 8 * 2**20
MOST_HEADERS, MOST_ADDRESS = 64 * 1024, 8 * 1024
BODY_SECONDS, IDLE_SECONDS = 30.0, 75.0
# What is left of the body would be read as the next request, so the connection ends.
CLOSE = ("connection", "close")


class TooLarge(Exception):
    """The body is over the limit."""


class TooSlow(Exception):
    """The body did not come in time."""


def too_large(path: str, most: int) -> Reply:
    return error(path, 413, f"The body is over the limit of {most // 2**20} MiB.", [CLOSE])


def too_slow(path: str) -> Reply:
    return error(path, 408, f"The body did not come within {BODY_SECONDS:g} seconds.", [CLOSE])


def cut_off(path: str) -> Reply:
    return error(path, 400, "The body ended before it was complete.", [CLOSE])


def unanswered(path: str) -> Reply:
    return error(path, 500, "The gateway could not answer this request.")
