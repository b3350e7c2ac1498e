"""Batches in which the truth is known."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from releases.analysis.batch import Arm, Batch
from serving.metrics.histogram import bucket


def arm(dice: np.random.Generator, size: int, errors: float = 0.01, slower: float = 1.0, lift: float = 0.0) -> Arm:
    """Requests with lognormal latency around 100 ms, and predictions around 100."""
    latency = np.exp(dice.normal(np.log(0.1 * slower), 0.5, size))
    scores = dice.normal(100 + lift, 10, size).astype(int)
    return Arm(
        starts=size,
        completions=size,
        errors=int(dice.binomial(size, errors)),
        latency=counted(bucket(float(seconds)) for seconds in latency),
        scores=counted(scores.tolist()),
    )


def counted(numbers: object) -> dict[int, int]:
    found: dict[int, int] = {}
    for number in numbers:
        found[number] = found.get(number, 0) + 1
    return found


def run(
    seed: int, count: int = 60, size: int = 400, weight: float = 0.25, first: int = 0, **candidate: float
) -> Iterator[Batch]:
    """Batches of ten seconds; what is said of the candidate is true of it alone."""
    dice = np.random.default_rng(seed)
    for number in range(first, first + count):
        drawn = int(dice.binomial(size, weight))
        yield Batch(number, 10.0, weight, arm(dice, size - drawn), arm(dice, drawn, **candidate))


def history(seed: int, count: int = 90) -> list[Batch]:
    """A quarter of an hour in which both arms are the same."""
    return list(run(seed, count, weight=0.1))
