"""The board's figures: the last minute, and a line of the last fifteen; one reading serves every board."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import redis

from releases import broker
from releases.queries.traffic import Tally, add
from serving.metrics import store

log = logging.getLogger(__name__)

LAST_SECONDS, LINE_SECONDS, BIN = 60, 900, 30
SETTLE = 20  # cells younger than this may still change, so their bins are read again
HELD_SECONDS = 1.0  # one reading serves every board that asks within this time
AWAY_SECONDS = 5.0  # a Redis that does not answer is not asked again for so long: a page must not hang

Place = tuple[str, str]  # environment, model


@dataclass(frozen=True)
class Figures:
    """A place on the board: calls per second, errors per answered call, p99 in seconds, calls per 30 s."""

    rate: float
    error_rate: float | None
    p99: float | None
    spark: tuple[int, ...]


@dataclass
class _Memory:
    """What this process knows: bins that have closed are never read again."""

    figures: dict[Place, Figures] | None = None
    names: frozenset[str] = frozenset()  # the environments of the figures
    until: float = 0.0  # monotonic: the figures serve until then
    bins: dict[str, dict[str, dict[int, int]]] = field(default_factory=dict)  # environment → model → bin → calls
    closed: dict[str, int] = field(default_factory=dict)  # environment → the bins before this one are complete


_memory, _one_at_a_time = _Memory(), threading.Lock()


def board(environments: Iterable[str]) -> dict[Place, Figures] | None:
    """Return figures by (environment, model) of every place that was called lately; None when Redis is away."""
    names = sorted(environments)
    with _one_at_a_time:
        if time.monotonic() >= _memory.until or not set(names) <= _memory.names:
            _memory.figures, keep = _try(names)
            _memory.names = frozenset(names)
            _memory.until = time.monotonic() + keep
        return _memory.figures


def _try(names: list[str]) -> tuple[dict[Place, Figures] | None, float]:
    """Return the figures and for how many seconds they serve."""
    try:
        return _read(names, time.time()), HELD_SECONDS
    except redis.RedisError as error:
        log.warning("Redis is away, the board has no figures: %s", error)
        forget()
        return None, AWAY_SECONDS


def forget() -> None:
    """Drop what is remembered; the next board reads all fifteen minutes."""
    _memory.figures, _memory.until, _memory.bins, _memory.closed = None, 0.0, {}, {}


def _read(names: list[str], now: float) -> dict[Place, Figures]:
    """Read what may have changed since the last reading, ten seconds to a cell, and what the last minute needs."""
    first = int(now - LINE_SECONDS) // BIN
    found: dict[Place, Figures] = {}
    for name in names:
        start = max(first, _memory.closed.get(name, 0))
        cells = store.read(broker.client(), name, min(start * BIN, now - LAST_SECONDS - 10), now, step=10)
        lines = _memory.bins.setdefault(name, {})
        _count(lines, cells, first, start)
        last = _last(cells, now)
        found |= {(name, model): _figures(line, last.get(model, Tally()), first, now) for model, line in lines.items()}
        _memory.closed[name] = int(now - SETTLE) // BIN
    return found


def _count(lines: dict[str, dict[int, int]], cells: list[store.Cell], first: int, start: int) -> None:
    """Bins from `start` on are counted anew; what lies before `first` is forgotten."""
    for model, line in list(lines.items()):
        lines[model] = {number: calls for number, calls in line.items() if first <= number < start}
    for cell in cells:
        number = cell.at // BIN
        if number >= start:
            line = lines.setdefault(cell.model, {})
            line[number] = line.get(number, 0) + cell.starts
    for model in [model for model, line in lines.items() if not line]:
        del lines[model]


def _last(cells: list[store.Cell], now: float) -> dict[str, Tally]:
    """The last whole minute by model; the newest ten seconds are still being counted, so it ends where they begin."""
    end = now - now % 10
    sums: dict[str, Tally] = defaultdict(Tally)
    for cell in cells:
        if end - LAST_SECONDS <= cell.at < end:
            add(sums[cell.model], cell)
    return sums


def _figures(line: dict[int, int], last: Tally, first: int, now: float) -> Figures:
    spark = tuple(line.get(number, 0) for number in range(first, int(now) // BIN))
    return Figures(last.starts / LAST_SECONDS, last.error_rate, last.quantile(0.99), spark)
