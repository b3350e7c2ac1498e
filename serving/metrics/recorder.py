"""Count every request exactly once, in memory, on the gateway's event loop; hand the cells over once a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from serving.metrics.histogram import TOP, bucket

KEEP_SENT, KEEP_UNSENT = 30, 600
STEPS = (1, 10)
MOST_CELLS = 60
REFUSED, DONE, TIMEOUT = "refused", "done", "timeout"


@dataclass(slots=True)
class Series:
    """The counts of one kind of request in one cell. `latency` and `scores` are histograms by bucket number.

    starts = completions + refused + what still runs. Errors are completions too, and every completion has a latency.
    """

    model: str
    generation: int
    arm: str
    package: str
    mode: str
    protocol: str
    starts: int = 0
    completions: int = 0
    refused: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    latency: dict[int, int] = field(default_factory=dict)
    scores: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Call:
    """One request that has started and has no outcome yet. `began` is monotonic, `deadline` in seconds."""

    environment: str
    key: tuple[str, int, str, str, str, str]
    began: float
    deadline: float
    outcome: str = DONE
    score: int | None = None


@dataclass(slots=True)
class Pending:
    """One cell to write: its step (1 or 10 seconds), its start (epoch), its series, and the version of its content."""

    environment: str
    step: int
    at: int
    version: int
    series: list[Series]


@dataclass(slots=True)
class _Cell:
    series: dict[tuple[str, int, str, str, str, str], Series] = field(default_factory=dict)
    version: int = 0
    sent: int = 0


class Recorder:
    """All counts of one gateway process. Only the event loop's thread calls it, so it needs no lock."""

    def __init__(self, clock: Callable[[], float] = time.time, timer: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._timer = clock, timer
        self._cells: dict[tuple[str, int, int], _Cell] = {}
        self._running: dict[int, Call] = {}

    def start(self, environment: str, key: tuple[str, int, str, str, str, str], began: float, deadline: float) -> Call:
        """Count a start for the key (model, generation, arm, package digest, mode, protocol); call `finish` later."""
        call = Call(environment, key, began, deadline)
        self._running[id(call)] = call
        for series in self._both(call):
            series.starts += 1
        return call

    def finish(self, call: Call) -> None:
        """Count the call's one outcome; a call that has already timed out is not counted again."""
        if self._running.pop(id(call), None) is None:
            return
        age = self._timer() - call.began
        if call.outcome != REFUSED and age > call.deadline:
            call.outcome = TIMEOUT
        self._count(call, age)

    def sweep(self) -> None:
        """Count every call that is older than its deadline as an error of kind timeout."""
        now = self._timer()
        for call in [call for call in self._running.values() if now - call.began > call.deadline]:
            self.finish(call)

    def running(self) -> int:
        """Return how many requests have no outcome yet."""
        return len(self._running)

    def collect(self, most: int = MOST_CELLS) -> tuple[list[Pending], int]:
        """Return changed cells, oldest first and at most `most`, and the second (epoch) before which none is left out.

        After a long absence of Redis the rest comes with the next calls: copying all at once would hold up requests.
        """
        now = self._clock()
        self._forget(now)
        changed = [place for place, cell in self._cells.items() if cell.sent != cell.version]
        changed.sort(key=lambda place: place[2] + place[1])
        complete = changed[most][2] if len(changed) > most else int(now)
        return [self._pending(place) for place in changed[:most]], min(complete, int(now))

    def _pending(self, place: tuple[str, int, int]) -> Pending:
        cell = self._cells[place]
        return Pending(*place, cell.version, [_copy(series) for series in cell.series.values()])

    def _forget(self, now: float) -> None:
        """Drop what was written a while ago, and what has waited too long: memory stays bounded."""
        for place, cell in list(self._cells.items()):
            age = now - place[2] - place[1]
            if age > KEEP_UNSENT or (age > KEEP_SENT and cell.sent == cell.version):
                del self._cells[place]

    def written(self, cells: list[Pending]) -> None:
        """Note that these cells are in Redis, in the version that was handed out."""
        for pending in cells:
            if cell := self._cells.get((pending.environment, pending.step, pending.at)):
                cell.sent = pending.version

    def _count(self, call: Call, age: float) -> None:
        for series in self._both(call):
            if call.outcome == REFUSED:
                series.refused += 1
                continue
            series.completions += 1
            number = TOP if call.outcome == TIMEOUT else bucket(age)
            series.latency[number] = series.latency.get(number, 0) + 1
            if call.outcome != DONE:
                series.errors[call.outcome] = series.errors.get(call.outcome, 0) + 1
            elif call.score is not None:
                series.scores[call.score] = series.scores.get(call.score, 0) + 1

    def _both(self, call: Call) -> list[Series]:
        """The call's series in the cell of this second and in the cell of these ten seconds."""
        now = int(self._clock())
        return [self._series(call, step, now - now % step) for step in STEPS]

    def _series(self, call: Call, step: int, at: int) -> Series:
        place = (call.environment, step, at)
        cell = self._cells.get(place)
        if cell is None:
            cell = self._cells[place] = _Cell()
        cell.version += 1
        series = cell.series.get(call.key)
        if series is None:
            series = cell.series[call.key] = Series(*call.key)
        return series


def _copy(series: Series) -> Series:
    return replace(series, errors=dict(series.errors), latency=dict(series.latency), scores=dict(series.scores))
