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
from releases.queries.traffic import Tally, add, total
from serving.metrics import store

log = logging.getLogger(__name__)

LAST_SECONDS, LINE_SECONDS, BIN = 60, 900, 30
WINDOW: store.Step = 10
SETTLE = 20  # windows that ended later may still change, so they are read again
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
class _Lately:
    """What is known of one environment, in windows of ten seconds; those before `settled` are never read again.

    `calls` by model and window reach back fifteen minutes, `tallies` by window and model one minute.
    """

    calls: dict[str, dict[int, int]] = field(default_factory=dict)
    tallies: dict[int, dict[str, Tally]] = field(default_factory=dict)
    settled: int = 0


@dataclass
class _Memory:
    """What this process knows of all environments."""

    figures: dict[Place, Figures] | None = None
    names: frozenset[str] = frozenset()  # the environments of the figures
    until: float = 0.0  # monotonic: the figures serve until then
    lately: dict[str, _Lately] = field(default_factory=dict)


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
    _memory.figures, _memory.until, _memory.lately = None, 0.0, {}


def _read(names: list[str], now: float) -> dict[Place, Figures]:
    """Read what may have changed since the last reading; the minute ends where the window begins that still counts."""
    client, first, end = broker.client(), int(now - LINE_SECONDS) // BIN * BIN, int(now) // WINDOW * WINDOW
    found: dict[Place, Figures] = {}
    for name in names:
        known = _memory.lately.setdefault(name, _Lately())
        start = max(first, known.settled)
        near = max(start, end - LAST_SECONDS)
        older = store.calls(client, name, start, near, WINDOW) if start < near else []
        _take(known, older, store.read(client, name, near, now, WINDOW), first, start, end)
        known.settled = int(now - SETTLE) // WINDOW * WINDOW
        found |= {(name, model): figures for model, figures in _figures(known, first, end, now).items()}
    return found


def _take(known: _Lately, older: list[store.Calls], newer: list[store.Cell], first: int, start: int, end: int) -> None:
    """Windows from `start` on are counted anew; what lies before `first`, or before the last minute, is forgotten."""
    for model, line in list(known.calls.items()):
        known.calls[model] = {at: calls for at, calls in line.items() if first <= at < start}
    known.tallies = {at: each for at, each in known.tallies.items() if end - LAST_SECONDS <= at < start}
    begun = [*older, *((cell.at, cell.model, cell.starts) for cell in newer)]
    for at, model, starts in begun:
        line = known.calls.setdefault(model, {})
        line[at] = line.get(at, 0) + starts
    for cell in newer:
        add(known.tallies.setdefault(cell.at, defaultdict(Tally))[cell.model], cell)
    known.calls = {model: line for model, line in known.calls.items() if line}


def _figures(known: _Lately, first: int, end: int, now: float) -> dict[str, Figures]:
    minute: dict[str, list[Tally]] = defaultdict(list)
    for at in range(end - LAST_SECONDS, end, WINDOW):
        for model, tally in known.tallies.get(at, {}).items():
            minute[model].append(tally)
    return {model: _one(line, total(minute[model]), first, now) for model, line in known.calls.items()}


def _one(line: dict[int, int], last: Tally, first: int, now: float) -> Figures:
    bins: dict[int, int] = defaultdict(int)
    for at, calls in line.items():
        bins[at // BIN] += calls
    spark = tuple(bins[number] for number in range(first // BIN, int(now) // BIN))
    return Figures(last.starts / LAST_SECONDS, last.error_rate, last.quantile(0.99), spark)
