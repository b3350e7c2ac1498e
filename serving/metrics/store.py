"""The cells in Redis: every gateway sets its own, never adds, so that writing twice changes nothing; readers add."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any, Literal, cast

import msgspec
from redis import Redis

from serving.metrics.recorder import Pending, Series

Step = Literal[1, 10]
# Seconds: cells of a second are kept for 15 minutes and some, those of ten seconds for 48 hours and some.
TTL = {1: 20 * 60, 10: 49 * 3600}
SPAN = {1: 60, 10: 3600}
PREFIX = {1: "slipway:cells", 10: "slipway:cells10"}


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of one gateway process for one kind of request, from `at` (epoch) for `step` seconds."""

    at: int
    step: int
    boot: str
    model: str
    generation: int
    arm: str
    package: str
    mode: str
    protocol: str
    starts: int
    completions: int
    refused: int
    rows: int
    queued: float
    computed: float
    errors: dict[str, int]
    latency: dict[int, int]
    scores: dict[int, int]


_decoder = msgspec.json.Decoder(list[Series])


def key(environment: str, step: int, at: int) -> str:
    """Return the hash that holds the cell which starts at `at`."""
    return f"{PREFIX[step]}:{environment}:{at - at % SPAN[step]}"


def write(redis: Redis, boot: str, cells: Iterable[Pending]) -> None:
    """Set the cells of one gateway process; safe to do again."""
    with redis.pipeline(transaction=False) as pipe:
        for cell in cells:
            place = key(cell.environment, cell.step, cell.at)
            pipe.hset(place, f"{boot}:{cell.at}", cast("Any", msgspec.json.encode(cell.series)))
            pipe.expire(place, TTL[cell.step])
        pipe.execute()


def read(redis: Redis, environment: str, start: float, end: float, step: Step = 1) -> list[Cell]:
    """Return all gateways' cells that start in [start, end), oldest first; end - start may be hours with step 10."""
    span = SPAN[step]
    places = [key(environment, step, at) for at in range(int(start) - int(start) % span, int(end) + 1, span)]
    found = _named(redis, places, start, end)
    cells = [cell for name, data in found if data for cell in _cells(name, data, step)]
    return sorted(cells, key=lambda cell: (cell.at, cell.boot, cell.model, cell.arm))


def _named(redis: Redis, places: list[str], start: float, end: float) -> list[tuple[bytes, bytes | None]]:
    """Ask for the names first: a hash holds up to an hour of cells, of which a reader often wants a minute."""
    with redis.pipeline(transaction=False) as pipe:
        for place in places:
            pipe.hkeys(place)
        held: list[list[bytes]] = pipe.execute()
        wanted = [[name for name in names if start <= int(name.rpartition(b":")[2]) < end] for names in held]
        for place, names in zip(places, wanted, strict=True):
            if names:
                pipe.hmget(place, names)
        found: list[list[bytes | None]] = pipe.execute()
    return list(zip(chain.from_iterable(wanted), chain.from_iterable(found), strict=True))


def _cells(name: bytes, data: bytes, step: int) -> list[Cell]:
    boot, _, second = name.decode().rpartition(":")
    return [Cell(at=int(second), step=step, boot=boot, **_fields(series)) for series in _decoder.decode(data)]


def _fields(series: Series) -> dict[str, Any]:
    return {name: getattr(series, name) for name in Series.__slots__}
