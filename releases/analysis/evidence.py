"""Evidence that grows from batch to batch: products of e-values, averaged over tilts and over start times.

Each product is a supermartingale under "the candidate is no worse", and so is every average with weights that were
fixed beforehand (F3 of docs/judge.md); Ville's inequality bounds the chance that it ever reaches 1 / alpha.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from releases.analysis.tilt import Floats

# Odds ratios of an error that the evidence looks for, and tilts of the scores of latencies and predictions.
ODDS = (1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0, 20.0)
TILTS = (0.15, 0.3, 0.5, 0.8, 1.2, 2.0, 3.5)
# The start at the first batch has half of the weight; the later ones share the other half.
FIRST = 0.5


@dataclass
class Evidence:
    """The products of one family: now, shape (tilts,), and as they were at each start time that has come.

    starts: how many start times follow the first; at: shape (those that have come, tilts).
    """

    now: Floats
    starts: int
    at: Floats

    @classmethod
    def of(cls, tilts: int, starts: int) -> Evidence:
        """Return evidence that knows nothing yet."""
        return cls(np.zeros(tilts), starts, np.zeros((0, tilts)))

    def restart(self, due: int) -> None:
        """Note where the products stand for every start time that has come; call it before the batch is added."""
        while len(self.at) < min(due, self.starts):
            self.at = np.vstack((self.at, self.now))

    def add(self, log_e: Floats) -> None:
        """Multiply by the e-values of one batch."""
        self.now = self.now + log_e

    def log(self) -> float:
        """Return the natural logarithm of the average over tilts and start times; one not yet come counts as 1."""
        if not self.starts:
            return log_average(self.now)
        since = np.vstack((self.now, self.now - self.at))
        later, top = (1 - FIRST) / self.starts, max(0.0, float(since.max()))
        averages = np.exp(since - top).mean(axis=1)
        to_come = later * (self.starts - len(self.at)) * math.exp(-top)
        return top + math.log(FIRST * float(averages[0]) + later * float(averages[1:].sum()) + to_come)

    def to_json(self) -> dict[str, Any]:
        return {"now": self.now.tolist(), "starts": self.starts, "at": self.at.tolist()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Evidence:
        now = np.array(data["now"])
        return cls(now, data["starts"], np.array(data["at"]).reshape(-1, now.size))


def log_average(logs: Floats) -> float:
    """Return log(mean(exp(logs)))."""
    top = float(logs.max())
    return top + math.log(float(np.exp(logs - top).mean()))


def log_sum(values: list[float]) -> float:
    """Return log(sum(exp(values))); of none it is minus infinity."""
    top = max(values, default=-math.inf)
    return top if top == -math.inf else top + math.log(sum(math.exp(value - top) for value in values))
