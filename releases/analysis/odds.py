"""What odds ratio the counts allow: an interval to show, and the certificate without which nothing is promoted.

For two bins (an error or not, slow or not) the batch's conditional law depends on the odds ratio alone. So the
logarithm of the likelihood is kept on a grid of log odds ratios, added up over the batches, and everything is read off:
the likelihood ratio of a smaller odds ratio against omega is an e-value for "omega or more" (F5, F6 of docs/judge.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from releases.analysis.evidence import log_average
from releases.analysis.tilt import Floats

STEP, REACH = 0.1, 60
# How far from the odds ratio that is doubted its rivals lie, in steps of the grid; weighted alike.
RIVALS = np.array((1, 2, 3, 5, 8, 12, 20, 30))
GRID = STEP * np.arange(-REACH, REACH + 1)
TESTED = slice(RIVALS.max(), GRID.size - RIVALS.max())
# The rivals of a limit: log odds ratios below it.
BELOW = np.array((0.1, 0.2, 0.3, 0.45, 0.7, 1.0, 1.5, 2.5))


@dataclass
class Odds:
    """The log likelihood of each odds ratio of GRID, and of a limit and its rivals; and the interval so far.

    limit: the odds ratio that promotion wants to rule out.
    grid: shape (GRID,); at_limit: shape (1 + BELOW,).
    low, high: log odds ratios, the ends of the running intersection of all intervals.
    """

    limit: float
    grid: Floats
    at_limit: Floats
    low: float = -math.inf
    high: float = math.inf

    @classmethod
    def of(cls, limit: float) -> Odds:
        return cls(limit, np.zeros(GRID.size), np.zeros(BELOW.size + 1))

    def tilts(self) -> Floats:
        """Return the log odds ratios whose e-values `add` wants: GRID, the limit, and its rivals."""
        limit = math.log(self.limit)
        return np.concatenate((GRID, [limit], limit - BELOW))

    def add(self, log_e: Floats, needed: float) -> None:
        """Add the log e-values of one batch at `tilts()`, and narrow the interval; `needed` is 1 / alpha."""
        self.grid = self.grid + log_e[: GRID.size]
        self.at_limit = self.at_limit + log_e[GRID.size :]
        kept = GRID[TESTED][self._kept(math.log(2 * needed))]
        if kept.size:
            self.low, self.high = max(self.low, self._end(kept[0], -1)), min(self.high, self._end(kept[-1], 1))

    def certificate(self) -> float:
        """Return the log evidence that the odds ratio is below the limit."""
        return log_average(self.at_limit[1:] - self.at_limit[0])

    def interval(self) -> tuple[float, float]:
        """Return the odds ratios that nothing has ruled out: a confidence sequence of 1 - alpha (F7)."""
        return _exp(min(self.low, self.high)), _exp(max(self.low, self.high))

    def to_json(self) -> dict[str, Any]:
        ends = [None if math.isinf(end) else end for end in (self.low, self.high)]
        return {"limit": self.limit, "grid": self.grid.tolist(), "at_limit": self.at_limit.tolist(), "ends": ends}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Odds:
        low, high = data["ends"]
        ends = (-math.inf if low is None else low, math.inf if high is None else high)
        return cls(data["limit"], np.array(data["grid"]), np.array(data["at_limit"]), *ends)

    def _kept(self, doubt: float) -> NDArray[np.bool_]:
        """Which odds ratios neither larger nor smaller rivals have ruled out."""
        places = np.arange(GRID.size)[TESTED]
        own = self.grid[places][:, None]
        smaller = _averages(self.grid[places[:, None] - RIVALS] - own)
        larger = _averages(self.grid[places[:, None] + RIVALS] - own)
        return (smaller < doubt) & (larger < doubt)

    @staticmethod
    def _end(at: float, side: int) -> float:
        """An end of the grid is no end of the interval."""
        ends = GRID[TESTED]
        if at in (ends[0], ends[-1]):
            return side * math.inf
        # The odds ratio between this point and the next was not tested, so the interval reaches up to the next.
        return float(at) + side * STEP


def _averages(logs: Floats) -> Floats:
    top = logs.max(axis=1, keepdims=True)
    found: Floats = top[:, 0] + np.log(np.exp(logs - top).mean(axis=1))
    return found


def _exp(value: float) -> float:
    return math.inf if value == math.inf else math.exp(value)
