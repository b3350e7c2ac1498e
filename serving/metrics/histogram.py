"""Fixed logarithmic buckets: histograms that merge by adding integers, exactly, in any order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

LEAST, GROWTH, BUCKETS = 1e-6, 1.02, 940
TOP = BUCKETS - 1
SCORES, SCORE_GROWTH, SCORE_LEAST = 200, 1.01, 1e-9

Histogram = dict[int, int]
_PER_LOG = 1 / math.log(GROWTH)
_PER_SCORE_LOG = 1 / math.log(SCORE_GROWTH)


def bucket(seconds: float) -> int:
    """Return the number, 0 to 939, of the bucket that holds a latency; what is outside goes into the outermost ones."""
    if seconds <= LEAST:
        return 0
    # The small addition puts an exact edge into the bucket it opens, whatever the logarithm's last digit.
    number = int(math.log(seconds / LEAST) * _PER_LOG + 1e-9)
    return number if number < TOP else TOP


def edge(number: int) -> float:
    """Return the lower edge of a bucket in seconds; `edge(number + 1)` is its upper edge."""
    return LEAST * GROWTH**number


def probability_bucket(probability: float) -> int:
    """Return the number, 0 to 199, of the linear bucket of a probability."""
    return min(SCORES - 1, max(0, int(probability * SCORES)))


def number_bucket(value: float) -> int:
    """Return a signed logarithmic bucket of 1 %: 0 for nought, positive above, negative below."""
    size = abs(value)
    if size < SCORE_LEAST:
        return 0
    number = 1 + int(math.log(size / SCORE_LEAST) * _PER_SCORE_LOG + 1e-9)
    return number if value > 0 else -number


def number_edge(number: int) -> float:
    """Return the edge of a `number_bucket` that is nearest to nought."""
    if number == 0:
        return 0.0
    return math.copysign(SCORE_LEAST * SCORE_GROWTH ** (abs(number) - 1), number)


def merge(histograms: Iterable[Mapping[int, int]]) -> Histogram:
    """Return the sum of histograms, with only the buckets that are not empty."""
    total: Histogram = {}
    for histogram in histograms:
        for number, count in histogram.items():
            total[number] = total.get(number, 0) + count
    return {number: count for number, count in sorted(total.items()) if count}


def quantile(histogram: Mapping[int, int], q: float) -> float | None:
    """Return the q-quantile in seconds, true to half a bucket (1 %), or None where nothing was counted."""
    total = sum(histogram.values())
    if not total:
        return None
    rank, seen = max(1, math.ceil(q * total)), 0
    for number in sorted(histogram):
        seen += histogram[number]
        if seen >= rank:
            return edge(number) * math.sqrt(GROWTH)
    raise AssertionError("unreachable: the counts add up to the total")
