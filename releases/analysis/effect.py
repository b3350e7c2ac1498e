"""How large a difference is: what is certain may still be too small to matter. It can only keep a rollback back."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from releases.analysis.batch import Arm, Batch
from serving.metrics.histogram import Histogram, merge, quantile
from serving.metrics.series import merge_into

# The quantiles that are compared over the whole run, and of them those of which a few minutes tell enough.
ALL, LATELY = (0.5, 0.9, 0.95, 0.99), (0.5, 0.9)
BLOCK = 60.0


@dataclass
class Sums:
    """What some batches came to: the two sums of Mantel and Haenszel, and the latencies of both arms."""

    seconds: float = 0.0
    worse: float = 0.0
    better: float = 0.0
    stable: Arm = field(default_factory=Arm)
    candidate: Arm = field(default_factory=Arm)
    fast: Histogram = field(default_factory=dict)
    slow: Histogram = field(default_factory=dict)

    def add(self, batch: Batch, with_latency: bool) -> None:
        candidate, stable = batch.candidate, batch.stable
        if size := candidate.completions + stable.completions:
            self.worse += candidate.errors * (stable.completions - stable.errors) / size
            self.better += stable.errors * (candidate.completions - candidate.errors) / size
        self.seconds += batch.seconds
        self.stable += _plain(stable)
        self.candidate += _plain(candidate)
        if with_latency:
            merge_into(self.fast, stable.latency)
            merge_into(self.slow, candidate.latency)

    def plus(self, other: Sums) -> Sums:
        """Return both together."""
        return Sums(
            self.seconds + other.seconds,
            self.worse + other.worse,
            self.better + other.better,
            self.stable + other.stable,
            self.candidate + other.candidate,
            merge((self.fast, other.fast)),
            merge((self.slow, other.slow)),
        )

    def odds(self) -> float:
        """Return the odds ratio of an error over all batches (Mantel and Haenszel 1959); nan where there is none."""
        if self.better:
            return self.worse / self.better
        return math.inf if self.worse else math.nan

    def slower(self, quantiles: Iterable[float]) -> float:
        """Return the largest ratio of a quantile of the candidate's latency to stable's; 0 where there is none."""
        pairs = [(quantile(self.slow, q), quantile(self.fast, q)) for q in quantiles]
        return max((mine / theirs for mine, theirs in pairs if mine and theirs), default=0.0)

    def to_json(self) -> dict[str, Any]:
        arms = {"stable": self.stable.to_json(), "candidate": self.candidate.to_json()}
        histograms = {name: {str(n): count for n, count in getattr(self, name).items()} for name in ("fast", "slow")}
        return {"seconds": self.seconds, "worse": self.worse, "better": self.better} | arms | histograms

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Sums:
        stable, candidate = Arm.from_json(data["stable"]), Arm.from_json(data["candidate"])
        fast, slow = ({int(n): count for n, count in data[name].items()} for name in ("fast", "slow"))
        return cls(data["seconds"], data["worse"], data["better"], stable, candidate, fast, slow)


@dataclass
class Effect:
    """The whole run, and its last minutes in blocks of one minute, so that the oldest can be dropped."""

    window: float
    whole: Sums = field(default_factory=Sums)
    blocks: list[Sums] = field(default_factory=list)

    def add(self, batch: Batch, with_latency: bool) -> None:
        self.whole.add(batch, with_latency)
        if not self.blocks or self.blocks[-1].seconds >= BLOCK:
            self.blocks.append(Sums())
        self.blocks[-1].add(batch, with_latency)
        while sum(block.seconds for block in self.blocks[1:]) >= self.window:
            del self.blocks[0]

    def lately(self) -> Sums:
        """Return the sums of the last minutes: the window, and up to one minute more."""
        found = Sums()
        for block in self.blocks:
            found = found.plus(block)
        return found

    def errors(self, least: float) -> bool:
        """Answer whether errors are so much likelier that it matters, over the whole run or lately."""
        return self.whole.odds() >= least or self.lately().odds() >= least or not least

    def latency(self, least: float) -> bool:
        """Answer whether latency has grown so much that it matters."""
        return self.whole.slower(ALL) >= least or self.lately().slower(LATELY) >= least

    def to_json(self) -> dict[str, Any]:
        blocks = [block.to_json() for block in self.blocks]
        return {"window": self.window, "whole": self.whole.to_json(), "blocks": blocks}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Effect:
        return cls(data["window"], Sums.from_json(data["whole"]), [Sums.from_json(each) for each in data["blocks"]])


def _plain(arm: Arm) -> Arm:
    """The counts of an arm without its histograms."""
    return Arm(arm.starts, arm.completions, arm.errors)
