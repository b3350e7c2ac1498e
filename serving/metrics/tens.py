"""Cells of ten seconds, made from those of one second as they are written: off the path of the requests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from serving.metrics.recorder import KEEP_UNSENT, Pending
from serving.metrics.series import Key, Series, add, copy

STEP = 10
# A cell can wait this long for Redis, and its window as long again for the cells beside it.
KEEP = KEEP_UNSENT + 2 * STEP

# Environment, era of the clock, start of the window (epoch).
Place = tuple[str, int, int]


class Tens:
    """The one-second cells of the last minutes, by the window of ten seconds that they belong to."""

    def __init__(self) -> None:
        self._windows: dict[Place, dict[int, list[Series]]] = defaultdict(dict)
        self._touched: dict[Place, float] = {}

    def fold(self, cells: Iterable[Pending], now: float) -> list[Pending]:
        """Return the windows that these cells change, whole; a cell that comes again replaces what it said before.

        `now` is monotonic: a window is forgotten when nothing has changed it for as long as a cell can wait.
        """
        changed: dict[Place, int] = {}
        for cell in cells:
            place = (cell.environment, cell.era, cell.at - cell.at % STEP)
            self._windows[place][cell.at] = cell.series
            self._touched[place] = now
            changed[place] = changed.get(place, 0) + cell.version
        self._forget(now)
        return [
            Pending(place[0], STEP, place[2], version, _sum(self._windows[place]), place[1])
            for place, version in changed.items()
        ]

    def _forget(self, now: float) -> None:
        for place in [place for place, touched in self._touched.items() if now - touched > KEEP]:
            del self._windows[place], self._touched[place]


def _sum(seconds: Mapping[int, list[Series]]) -> list[Series]:
    total: dict[Key, Series] = {}
    for series in (each for at in sorted(seconds) for each in seconds[at]):
        key = (series.model, series.generation, series.arm, series.package, series.mode, series.protocol)
        if key in total:
            add(total[key], series)
        else:
            total[key] = copy(series)
    return list(total.values())
