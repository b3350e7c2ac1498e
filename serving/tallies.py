"""The tallies of shadows in Redis: every process sets its own whole, so that writing twice changes nothing."""

from __future__ import annotations

from typing import Any, cast

from redis import Redis

from serving import tally
from serving.tally import Tally

# Long enough for a control plane that was away for a weekend; it keeps its own copy.
KEEP_SECONDS = 4 * 86400


def key(run: int) -> str:
    return f"slipway:shadow:{run}"


def put(redis: Redis, run: int, boot: str, found: bytes) -> None:
    """Set what one process has found of a run, as `tally.dumps` wrote it."""
    with redis.pipeline(transaction=False) as pipe:
        pipe.hset(key(run), boot, cast("Any", found))
        pipe.expire(key(run), KEEP_SECONDS)
        pipe.execute()


def get(redis: Redis, run: int) -> dict[str, Tally]:
    """Return what every process has found of a run, by its boot."""
    found = cast("dict[bytes, bytes]", redis.hgetall(key(run)))
    return {boot.decode(): tally.loads(data) for boot, data in found.items()}
