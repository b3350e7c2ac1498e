"""When to send: pure functions from a rate to ascending moments, in seconds after the start."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator


def constant(rate: float, seconds: float | None = None) -> Iterator[float]:
    """Yield moments at equal distances, `rate` a second, before `seconds` (None: for ever).

    Raises ValueError where the rate is not above 0.
    """
    _check(rate)
    moments = (number / rate for number in itertools.count())
    return _until(moments, seconds)


def poisson(rate: float, seed: int, seconds: float | None = None) -> Iterator[float]:
    """Yield the moments of a Poisson process with `rate` a second on average; one seed gives one schedule.

    Many independent clients together look like this. Raises ValueError where the rate is not above 0.
    """
    _check(rate)
    draw = random.Random(seed)  # noqa: S311 - a schedule, not a secret
    gaps = (draw.expovariate(rate) for _ in itertools.count())
    return _until(itertools.accumulate(gaps), seconds)


def _until(moments: Iterator[float], seconds: float | None) -> Iterator[float]:
    return moments if seconds is None else itertools.takewhile(lambda moment: moment < seconds, moments)


def _check(rate: float) -> None:
    if not 0 < rate < float("inf"):
        raise ValueError(f"The rate must be above 0 requests a second (got {rate}).")
