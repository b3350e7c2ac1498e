"""Evidence that grows from batch to batch: products of e-values, averaged over tilts and over start times.

Each product is a supermartingale under "the candidate is no worse", and so is every average with weights that were
fixed beforehand (F3 of docs/judge.md); Ville's inequality bounds the chance that it ever reaches 1 / alpha.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
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
    """The products of one family: now, and as they were at each start time that has come; shape (tilts,) each."""

    now: Floats
    starts: int
    at: list[Floats] = field(default_factory=list)

    @classmethod
    def of(cls, tilts: int, starts: int) -> Evidence:
        """Return evidence that knows nothing yet; `starts` is how many start times follow the first."""
        return cls(np.zeros(tilts), starts)

    def restart(self, due: int) -> None:
        """Note where the products stand for every start time that has come; call it before the batch is added."""
        while len(self.at) < min(due, self.starts):
            self.at.append(self.now.copy())

    def add(self, log_e: Floats) -> None:
        """Multiply by the e-values of one batch."""
        self.now = self.now + log_e

    def log(self) -> float:
        """Return the natural logarithm of the average over tilts and start times; one not yet come counts as 1."""
        first = FIRST if self.starts else 1.0
        values = [math.log(first) + log_average(self.now)]
        if self.starts:
            share = math.log((1 - FIRST) / self.starts)
            values += [share + log_average(self.now - then) for then in self.at]
            values += [share] * (self.starts - len(self.at))
        return log_sum(values)

    def to_json(self) -> dict[str, Any]:
        return {"now": self.now.tolist(), "starts": self.starts, "at": [each.tolist() for each in self.at]}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Evidence:
        return cls(np.array(data["now"]), data["starts"], [np.array(each) for each in data["at"]])


def log_average(logs: Floats) -> float:
    """Return log(mean(exp(logs)))."""
    top = float(logs.max())
    return top + math.log(float(np.exp(logs - top).mean()))


def log_sum(values: list[float]) -> float:
    """Return log(sum(exp(values))); of none it is minus infinity."""
    top = max(values, default=-math.inf)
    return top if top == -math.inf else top + math.log(sum(math.exp(value - top) for value in values))
