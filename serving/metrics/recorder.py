"""Count every request exactly once, in memory, on the gateway's event loop; hand the cells over once a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from serving.metrics.histogram import TOP, bucket

KEEP_SENT, KEEP_UNSENT = 30, 600
MOST_CELLS = 60
REFUSED, DONE, TIMEOUT = "refused", "done", "timeout"
# Past a deadline of the caller's own, which is shorter than the model's.
LATE = "late"

# Model, generation, arm, package digest, mode, protocol.
Key = tuple[str, int, str, str, str, str]


@dataclass(slots=True)
class Series:
    """The counts of one kind of request in one cell. `latency` and `scores` are histograms by bucket number.

    starts = completions + refused + what still runs. Errors are completions too, and every completion has a latency.
    `queued` and `computed` add up the seconds that requests waited for their model, and that it took.
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
    rows: int = 0
    queued: float = 0.0
    computed: float = 0.0
    errors: dict[str, int] = field(default_factory=dict)
    latency: dict[int, int] = field(default_factory=dict)
    scores: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Line:
    """One kind of request, and its series in the cell of the second `at`; keep it, and counting needs no look-up."""

    environment: str
    key: Key
    at: int = -1
    series: Series = field(default_factory=lambda: Series("", 0, "", "", "", ""))


@dataclass(slots=True)
class Call:
    """One request that has started and has no outcome yet. `began` is monotonic, `deadline` in seconds.

    `late` is the outcome when the deadline passes.
    `rows`, `queued` and `computed` (seconds) are filled in on the way.
    """

    line: Line
    began: float
    deadline: float
    outcome: str = DONE
    score: int | None = None
    rows: int = 0
    queued: float = 0.0
    computed: float = 0.0
    late: str = TIMEOUT

    def left(self) -> float:
        """Return the seconds until the deadline; below nought when it has passed."""
        return self.began + self.deadline - time.monotonic()


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
    series: dict[Key, Series] = field(default_factory=dict)
    sent: int = 0

    @property
    def version(self) -> int:
        """Grows with every start and every outcome, so that what was sent can be told from what is new."""
        return sum(each.starts + each.completions + each.refused for each in self.series.values())


class Recorder:
    """All counts of one gateway process. Only the event loop's thread calls it, so it needs no lock."""

    def __init__(self, clock: Callable[[], float] = time.time, timer: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._timer = clock, timer
        self._cells: dict[tuple[str, int], _Cell] = {}
        self._running: dict[int, Call] = {}

    def start(self, line: Line, began: float, deadline: float) -> Call:
        """Count a start; call `finish` later."""
        call = Call(line, began, deadline)
        self._running[id(call)] = call
        self._series(line).starts += 1
        return call

    def finish(self, call: Call) -> None:
        """Count the call's one outcome; a call that has already timed out is not counted again."""
        if self._running.pop(id(call), None) is None:
            return
        age = self._timer() - call.began
        if call.outcome != REFUSED and age > call.deadline:
            call.outcome = call.late
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
        changed = sorted(
            (place for place, cell in self._cells.items() if cell.sent != cell.version), key=lambda place: place[1]
        )
        complete = changed[most][1] if len(changed) > most else int(now)
        return [self._pending(place) for place in changed[:most]], min(complete, int(now))

    def _pending(self, place: tuple[str, int]) -> Pending:
        environment, at = place
        cell = self._cells[place]
        return Pending(environment, 1, at, cell.version, [copy(series) for series in cell.series.values()])

    def _forget(self, now: float) -> None:
        """Drop what was written a while ago, and what has waited too long: memory stays bounded."""
        for place, cell in list(self._cells.items()):
            age = now - place[1] - 1
            if age > KEEP_UNSENT or (age > KEEP_SENT and cell.sent == cell.version):
                del self._cells[place]

    def written(self, cells: list[Pending]) -> None:
        """Note that these cells are in Redis, in the version that was handed out."""
        for pending in cells:
            if cell := self._cells.get((pending.environment, pending.at)):
                cell.sent = pending.version

    def _count(self, call: Call, age: float) -> None:
        series = self._series(call.line)
        series.queued += call.queued
        series.computed += call.computed
        if call.outcome == REFUSED:
            series.refused += 1
            return
        series.completions += 1
        series.rows += call.rows
        number = TOP if call.outcome == TIMEOUT else bucket(age)
        series.latency[number] = series.latency.get(number, 0) + 1
        if call.outcome != DONE:
            series.errors[call.outcome] = series.errors.get(call.outcome, 0) + 1
        elif call.score is not None:
            series.scores[call.score] = series.scores.get(call.score, 0) + 1

    def _series(self, line: Line) -> Series:
        """The line's series in the cell of this second."""
        now = int(self._clock())
        if line.at != now:
            cell = self._cells.setdefault((line.environment, now), _Cell())
            series = cell.series.get(line.key)
            if series is None:
                series = cell.series[line.key] = Series(*line.key)
            line.at, line.series = now, series
        return line.series


def copy(series: Series) -> Series:
    return replace(series, errors=dict(series.errors), latency=dict(series.latency), scores=dict(series.scores))
