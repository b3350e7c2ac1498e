"""Cells of ten seconds, made from those of one second as they are written: off the path of the requests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TypeVar

from serving.metrics.recorder import KEEP_UNSENT, Key, Pending, Series, copy

STEP = 10
# A cell can wait this long for Redis, and its window as long again for the cells beside it.
KEEP = KEEP_UNSENT + 2 * STEP

Place = tuple[str, int]
K = TypeVar("K")


class Tens:
    """The one-second cells of the last minutes, by the window of ten seconds that they belong to."""

    def __init__(self) -> None:
        self._windows: dict[Place, dict[int, list[Series]]] = defaultdict(dict)

    def fold(self, cells: Iterable[Pending], now: float) -> list[Pending]:
        """Return the windows that these cells change, whole; a cell that comes again replaces what it said before."""
        changed: dict[Place, int] = {}
        for cell in cells:
            place = (cell.environment, cell.at - cell.at % STEP)
            self._windows[place][cell.at] = cell.series
            changed[place] = changed.get(place, 0) + cell.version
        self._forget(now)
        return [
            Pending(*_started(place), version, _sum(self._windows.get(place, {}))) for place, version in changed.items()
        ]

    def _forget(self, now: float) -> None:
        for place in [place for place in self._windows if now - place[1] > KEEP]:
            del self._windows[place]


def _started(place: Place) -> tuple[str, int, int]:
    environment, at = place
    return environment, STEP, at


def _sum(seconds: Mapping[int, list[Series]]) -> list[Series]:
    total: dict[Key, Series] = {}
    for series in (each for at in sorted(seconds) for each in seconds[at]):
        key = (series.model, series.generation, series.arm, series.package, series.mode, series.protocol)
        if key in total:
            _add(total[key], series)
        else:
            total[key] = copy(series)
    return list(total.values())


def _add(total: Series, more: Series) -> None:
    total.starts += more.starts
    total.completions += more.completions
    total.refused += more.refused
    total.rows += more.rows
    total.queued += more.queued
    total.computed += more.computed
    _merge(total.errors, more.errors)
    _merge(total.latency, more.latency)
    _merge(total.scores, more.scores)


def _merge(mine: dict[K, int], theirs: Mapping[K, int]) -> None:
    for number, count in theirs.items():
        mine[number] = mine.get(number, 0) + count
