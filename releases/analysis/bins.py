"""Histograms in few bins: cut at the quantiles of what stable was like, so that every bin says something."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np

from releases.analysis.tilt import Floats, Ints
from serving.metrics.histogram import BUCKETS, GROWTH, LEAST

# Where stable's latencies are cut; the last four are also what "slow" means, each in its own family.
SLOW = (0.90, 0.95, 0.99, 0.999)
LATENCY = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, *SLOW)
TENTHS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class Bins:
    """Cuts between buckets, and how far up stable each bin lies.

    edges: bucket numbers, each the first of the bin above it.
    ranks: for each bin the middle of the shares of stable that lie below its two ends; shape (edges + 1,).
    """

    edges: tuple[int, ...]
    ranks: tuple[float, ...]

    @cached_property
    def _edges(self) -> Ints:
        return np.array(self.edges, dtype=np.int64)

    def count(self, histogram: Mapping[int, int]) -> Ints:
        """Return how many of a histogram fall into each bin."""
        numbers = np.fromiter(histogram.keys(), dtype=np.int64, count=len(histogram))
        counts = np.fromiter(histogram.values(), dtype=np.int64, count=len(histogram))
        where = np.searchsorted(self._edges, numbers, side="right")
        found = np.bincount(where, weights=counts, minlength=len(self.ranks))
        return found.astype(np.int64)

    def rising(self) -> Floats:
        """Return the score of Wilcoxon's test: the rank itself."""
        return np.array(self.ranks)

    def savage(self) -> Floats:
        """Return Savage's score, which looks at the slow end: -log(1 - rank)."""
        found: Floats = -np.log1p(-np.array(self.ranks))
        return found

    def above(self, edge: int) -> Floats:
        """Return 1 for the bins from a cut on and 0 below."""
        return np.array([float(number > self.edges.index(edge)) for number in range(len(self.ranks))])

    def spread(self) -> Floats:
        """Return how far out a bin lies, on either side."""
        found: Floats = np.abs(2 * np.array(self.ranks) - 1)
        return found


def cut(histogram: Mapping[int, int], quantiles: Sequence[float], top: int = BUCKETS) -> Bins:
    """Return bins that end at these quantiles of a histogram, or as near as its buckets allow; none begins at `top`."""
    numbers = sorted(number for number, count in histogram.items() if count)
    below = np.cumsum([histogram[number] for number in numbers])
    edges = sorted({edge for q in quantiles if (edge := _edge(numbers, below, q, top)) is not None})
    # One more request than there were, slower than all: no bin lies beyond everything.
    total = float(below[-1]) + 1 if numbers else 1.0
    shares = [0.0, *(float(below[bisect_left(numbers, edge) - 1]) / total for edge in edges), 1.0]
    return Bins(tuple(edges), tuple((low + high) / 2 for low, high in pairwise(shares)))


def slow_edge(histogram: Mapping[int, int], quantile: float) -> int | None:
    """Return the bucket from which on a latency is slower than this quantile of stable's, or None where none is."""
    numbers = sorted(number for number, count in histogram.items() if count)
    return _edge(numbers, np.cumsum([histogram[number] for number in numbers]), quantile, BUCKETS)


def _edge(numbers: Sequence[int], below: Ints, quantile: float, top: int) -> int | None:
    """The first bucket above the quantile, of those with something below."""
    if not numbers:
        return None
    at = int(np.searchsorted(below, quantile * below[-1] * (1 - 1e-12)))
    return numbers[at] + 1 if numbers[at] + 1 < top else None


def slower(histogram: Mapping[int, int], by: float) -> dict[int, int]:
    """Return what the histogram would be at most if every latency were `by` seconds longer.

    Each latency is taken for the upper edge of its bucket, so that a candidate up to that much slower stays no worse
    (F5 of docs/judge.md). By 0 seconds it is the histogram itself.
    """
    if by <= 0:
        return dict(histogram)
    moved: dict[int, int] = {}
    places = _moved(by)
    for number, count in histogram.items():
        moved[places[number]] = moved.get(places[number], 0) + count
    return moved


@lru_cache(maxsize=64)
def _moved(by: float) -> tuple[int, ...]:
    """The highest bucket that begins below each bucket's upper edge and `by` seconds."""
    ends = [LEAST * GROWTH ** (number + 1) + by for number in range(BUCKETS)]
    return tuple(min(BUCKETS - 1, math.ceil(math.log(end / LEAST) / math.log(GROWTH) - 1e-9) - 1) for end in ends)
