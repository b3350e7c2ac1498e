"""Count every request exactly once, in memory, on the gateway's event loop; hand the cells over once a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from serving.metrics.histogram import TOP, bucket
from serving.metrics.series import Key, Line, Series, copy
from serving.metrics.totals import Totals, copied, fold

KEEP_SENT, KEEP_UNSENT, KEEP_TOTAL = 30, 600, 3600
MOST_CELLS = 60
REFUSED, DONE, TIMEOUT = "refused", "done", "timeout"
# Past a deadline of the caller's own, which is shorter than the model's.
LATE = "late"

# Environment, era of the clock, second (epoch).
Place = tuple[str, int, int]


@dataclass(slots=True)
class Call:
    """One request that has started and has no outcome yet. `began` is monotonic, `deadline` in seconds.

    `late` is the outcome when the deadline passes.
    `rows`, `queued` and `computed` (seconds) are filled in on the way; `kept` is what capture and shadows need,
    where there are any.
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
    kept: Any = None

    def left(self) -> float:
        """Return the seconds until the deadline; below nought when it has passed."""
        return self.began + self.deadline - time.monotonic()


@dataclass(slots=True)
class Pending:
    """One cell to write: its step (1 or 10 seconds), its start (epoch), its series, and the version of its content.

    `era` grows when the clock is set: the same second of another era is another cell.
    """

    environment: str
    step: int
    at: int
    version: int
    series: list[Series]
    era: int = 0


@dataclass(slots=True)
class _Cell:
    series: dict[Key, Series] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    sent: int = 0

    @property
    def version(self) -> int:
        """Grows with every start and every outcome, so that what was sent can be told from what is new."""
        return sum(each.starts + each.completions + each.refused for each in self.series.values())


class Recorder:
    """All counts of one gateway process. Only the event loop's thread calls it, so it needs no lock.

    Its clock is the monotonic timer and an offset, so that a machine's clock may be set while it counts; `agree`
    takes over the clock that everybody shares. `numbers` are the packages' numbers by model and digest.
    """

    def __init__(self, clock: Callable[[], float] = time.time, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer, self.offset = timer, clock() - timer()
        self._era, self._agreed = 0, False
        self._cells: dict[Place, _Cell] = {}
        self._open: list[Place] = []
        self._running: dict[int, Call] = {}
        self._totals: Totals = {}
        self.numbers: dict[tuple[str, str], int] = {}

    def now(self) -> float:
        """Return the time of day (epoch) by which the cells are cut."""
        return self._timer() + self.offset

    def start(self, line: Line, began: float, deadline: float) -> Call:
        """Count a start; call `finish` later."""
        call = Call(line, began, deadline)
        self._running[id(call)] = call
        at = int(self._timer() + self.offset)
        series = line.series if line.at == at else self._turn(line, at)
        series.starts += 1
        return call

    def finish(self, call: Call) -> None:
        """Count the call's one outcome; a call that has already timed out is not counted again."""
        if self._running.pop(id(call), None) is None:
            return
        now = self._timer()
        age = now - call.began
        line, at = call.line, int(now + self.offset)
        series = line.series if line.at == at else self._turn(line, at)
        series.queued += call.queued
        series.computed += call.computed
        if call.outcome == REFUSED:
            series.refused += 1
            return
        if age > call.deadline:
            call.outcome = call.late
        series.completions += 1
        series.rows += call.rows
        series.seconds += age
        number = TOP if call.outcome == TIMEOUT else bucket(age)
        series.latency[number] = series.latency.get(number, 0) + 1
        if call.outcome != DONE:
            series.errors[call.outcome] = series.errors.get(call.outcome, 0) + 1
        elif call.score is not None:
            series.scores[call.score] = series.scores.get(call.score, 0) + 1

    def turn_away(self, line: Line, reason: str) -> None:
        """Count a request that was refused before a package was picked."""
        at = int(self.now())
        series = line.series if line.at == at else self._turn(line, at)
        series.refused += 1
        series.errors[reason] = series.errors.get(reason, 0) + 1

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
        now = self.now()
        self._fold(int(now))
        self._forget(now)
        changed = sorted(
            (place for place, cell in self._cells.items() if cell.sent != cell.version), key=lambda place: place[1:]
        )
        complete = changed[most][2] if len(changed) > most else int(now)
        return [self._pending(place) for place in changed[:most]], min(complete, int(now))

    def written(self, cells: list[Pending]) -> None:
        """Note that these cells are in Redis, in the version that was handed out."""
        for pending in cells:
            if cell := self._cells.get((pending.environment, pending.era, pending.at)):
                cell.sent = pending.version

    def totals(self, loaded: Collection[tuple[str, str]]) -> Totals:
        """Return all counts since the start; of packages (model, digest) not loaded any more for another hour."""
        old = self.now() - KEEP_TOTAL
        gone = [name for name, total in self._totals.items() if total.at < old and (name[1], name[3]) not in loaded]
        for name in gone:
            del self._totals[name]
        found = copied(self._totals)
        for place in self._open:
            fold(found, place[0], place[2], self._cells[place].series.values())
        return found

    def agree(self, offset: float) -> None:
        """Set the clock to what others go by: the timer and `offset`; no count is lost.

        What was counted before the first agreement moves along, later ones leave the past alone. Each step opens
        another era, because a clock that goes back comes to seconds that were counted before.
        """
        step, self.offset = offset - self.offset, offset
        if not self._agreed:
            self._agreed = True
            self._move(round(step))
        if not step:
            return
        self._era += 1
        for cell in self._cells.values():
            for line in cell.lines:
                line.at = -1

    def _move(self, step: int) -> None:
        self._cells = {(name, era, at + step): cell for (name, era, at), cell in self._cells.items()}
        self._open = [(name, era, at + step) for name, era, at in self._open]

    def _pending(self, place: Place) -> Pending:
        cell = self._cells[place]
        environment, era, at = place
        return Pending(environment, 1, at, cell.version, [copy(series) for series in cell.series.values()], era)

    def _fold(self, now: int) -> None:
        """Add the cells that nothing can change any more to the totals."""
        still = []
        for place in self._open:
            if place[1] == self._era and place[2] >= now:
                still.append(place)
            else:
                fold(self._totals, place[0], place[2], self._cells[place].series.values())
        self._open = still

    def _forget(self, now: float) -> None:
        """Drop what was written a while ago, and what has waited too long: memory stays bounded."""
        for place, cell in list(self._cells.items()):
            age, current = now - place[2] - 1, place[1] == self._era
            if (age > KEEP_UNSENT and current) or (cell.sent == cell.version and (age > KEEP_SENT or not current)):
                del self._cells[place]

    def _turn(self, line: Line, at: int) -> Series:
        """Lead a line to the cell of another second, and return its series there."""
        place = (line.environment, self._era, at)
        cell = self._cells.get(place)
        if cell is None:
            cell = self._cells[place] = _Cell()
            self._open.append(place)
        series = cell.series.get(line.key)
        if series is None:
            series = cell.series[line.key] = Series(*line.key)
            self.numbers[line.key[0], line.key[3]] = line.number
        cell.lines.append(line)
        line.at, line.series = at, series
        return series
