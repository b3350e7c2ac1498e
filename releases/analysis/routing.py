"""Whether the requests went where the weight sent them: lost or misrouted ones make every comparison void."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from releases.analysis.batch import Batch
from releases.analysis.evidence import log_average
from releases.analysis.tilt import Floats

# By which factors the odds of being sent to the candidate may be wrong.
FACTORS = np.array((0.5, 0.7, 0.8, 0.9, 0.95, 1.05, 1.1, 1.25, 1.5, 2.0))


@dataclass
class Routing:
    """The sample-ratio check (F9 of docs/judge.md): requests are counted when they start, whatever becomes of them."""

    logs: Floats = field(default_factory=lambda: np.zeros(FACTORS.size))

    def add(self, batch: Batch) -> None:
        """Compare the starts of one batch with its weight; at 0 and at 1 nothing is left to chance."""
        weight, candidate, stable = batch.weight, batch.candidate.starts, batch.stable.starts
        if not 0 < weight < 1:
            return
        shares = weight * FACTORS / (1 - weight + weight * FACTORS)
        self.logs = self.logs + candidate * np.log(shares / weight) + stable * np.log((1 - shares) / (1 - weight))

    def log(self) -> float:
        """Return the log evidence that requests are lost or misrouted."""
        return log_average(self.logs)

    def to_json(self) -> list[float]:
        found: list[float] = self.logs.tolist()
        return found

    @classmethod
    def from_json(cls, data: list[Any]) -> Routing:
        return cls(np.array(data))
