"""The cells in Redis: every gateway sets its own, never adds, so that writing twice changes nothing; readers add.

A hash holds the cells of one model and one gateway process for a span of time, so that who asks for one model of fifty
reads a fiftieth. Two sorted sets for each environment, by last time, say which processes wrote, and which models were
called.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple, cast

import msgspec
from redis import Redis

from serving.metrics.recorder import Pending
from serving.metrics.series import Series

Step = Literal[1, 10]
# Seconds: cells of a second are kept for 15 minutes and some, those of ten seconds for 48 hours and some.
TTL = {1: 20 * 60, 10: 49 * 3600}
SPAN = {1: 60, 10: 3600}
PREFIX = {1: "slipway:cells", 10: "slipway:cells10"}
WRITERS, CALLED = "slipway:cells-by", "slipway:cells-of"
LONGEST = max(TTL.values())


class Cell(msgspec.Struct, kw_only=True):
    """The counts of one gateway process for one kind of request, from `at` (epoch) for `step` seconds."""

    at: int = 0
    step: int = 1
    boot: str = ""
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
    seconds: float = 0.0


class Calls(NamedTuple):
    """How many calls of a model began in the cell that starts at `at`; many of these cost little to read."""

    at: int
    model: str
    starts: int


class _Starts(msgspec.Struct):
    starts: int


class _Place(NamedTuple):
    """One hash, and the cells of it that are asked for."""

    key: str
    boot: str
    model: str
    moments: list[int]


_cells, _starts = msgspec.json.Decoder(list[Cell]), msgspec.json.Decoder(list[_Starts])


def key(environment: str, model: str, boot: str, step: int, at: int) -> str:
    """Return the hash that holds the cell which starts at `at`."""
    return f"{PREFIX[step]}:{environment}:{model}:{boot}:{at - at % SPAN[step]}"


def write(redis: Redis, boot: str, cells: Iterable[Pending]) -> None:
    """Set the cells of one gateway process; safe to do again."""
    last: dict[str, dict[str, int]] = defaultdict(dict)
    with redis.pipeline(transaction=False) as pipe:
        for cell in cells:
            writer = _writer(boot, cell.era)
            for model, series in _by_model(cell.series).items():
                place = key(cell.environment, model, writer, cell.step, cell.at)
                pipe.hset(place, str(cell.at), cast("Any", msgspec.json.encode(series)))
                pipe.expire(place, TTL[cell.step])
                for index, member in ((CALLED, model), (WRITERS, writer)):
                    seen = last[f"{index}:{cell.environment}"]
                    seen[member] = max(seen.get(member, 0), cell.at)
        for index, members in last.items():
            pipe.zadd(index, cast("Any", members), gt=True)
            pipe.zremrangebyscore(index, "-inf", max(members.values()) - LONGEST)
            pipe.expire(index, LONGEST)
        pipe.execute()


def _writer(boot: str, era: int) -> str:
    """After its clock was set a gateway may come to the same seconds again, and must not write over itself."""
    return f"{boot}-{era}" if era else boot


def read(
    redis: Redis, environment: str, start: float, end: float, step: Step = 1, model: str | None = None
) -> list[Cell]:
    """Return all gateways' cells that start in [start, end), oldest first, of one model or of all.

    `end` - `start` may be hours with step 10.
    """
    found = []
    for place, at, data in _held(redis, environment, start, end, step, model):
        for cell in _cells.decode(data):
            cell.at, cell.step, cell.boot = at, step, place.boot.partition("-")[0]
            found.append(cell)
    return sorted(found, key=lambda cell: (cell.at, cell.boot, cell.model, cell.arm))


def calls(redis: Redis, environment: str, start: float, end: float, step: Step = 1) -> list[Calls]:
    """Return only how many calls began, of all models; nothing else of a cell is decoded."""
    held = _held(redis, environment, start, end, step, None)
    return [Calls(at, place.model, sum(each.starts for each in _starts.decode(data))) for place, at, data in held]


def _held(
    redis: Redis, environment: str, start: float, end: float, step: Step, model: str | None
) -> Iterator[tuple[_Place, int, bytes]]:
    """Ask for exactly the cells that can be there, in two round trips."""
    boots, called = _known(redis, environment, start)
    models = called if model is None else [name for name in called if name == model]
    moments = _moments(start, end, step)
    places = [
        _Place(key(environment, name, boot, step, span[0]), boot, name, span)
        for name in models
        for boot in boots
        for span in moments
    ]
    with redis.pipeline(transaction=False) as pipe:
        for place in places:
            pipe.hmget(place.key, [str(at) for at in place.moments])
        answers: list[list[bytes | None]] = pipe.execute() if places else []
    for place, values in zip(places, answers, strict=True):
        yield from ((place, at, data) for at, data in zip(place.moments, values, strict=True) if data)


def _known(redis: Redis, environment: str, start: float) -> tuple[list[str], list[str]]:
    """Return which processes wrote and which models were called since `start`."""
    with redis.pipeline(transaction=False) as pipe:
        for index in (WRITERS, CALLED):
            pipe.zrange(f"{index}:{environment}", cast("Any", math.floor(start)), cast("Any", "+inf"), byscore=True)
        writers, called = cast("list[list[bytes]]", pipe.execute())
    return [name.decode() for name in writers], [name.decode() for name in called]


def _moments(start: float, end: float, step: Step) -> list[list[int]]:
    """Return every moment at which a cell of [start, end) can start, by the span that holds it."""
    spans: dict[int, list[int]] = defaultdict(list)
    for at in range(math.ceil(start / step) * step, math.ceil(end), step):
        spans[at - at % SPAN[step]].append(at)
    return list(spans.values())


def _by_model(series: Iterable[Series]) -> dict[str, list[Series]]:
    found: dict[str, list[Series]] = defaultdict(list)
    for each in series:
        found[each.model].append(each)
    return found
