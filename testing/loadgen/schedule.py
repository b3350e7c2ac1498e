"""When to send: pure functions from a rate to ascending moments, in seconds after the start."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Sequence


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


def ramp(first: float, last: float, seconds: float) -> Iterator[float]:
    """Yield moments at a rate that goes evenly from `first` to `last` a second over the time.

    The number due until t is `first·t + (last - first)·t²/(2·seconds)`; each whole number of it is one moment. Raises
    ValueError where a rate is not above 0.
    """
    _check(first)
    _check(last)
    slope = (last - first) / seconds
    moments = (_when(number, first, slope) for number in range(math.ceil((first + last) / 2 * seconds)))
    return _until(moments, seconds)


def steps(rates: Sequence[float], each: float) -> Iterator[float]:
    """Yield one constant rate after the other, `each` seconds long. Raises ValueError where one is not above 0."""
    for rate in rates:
        _check(rate)
    parts = (_shifted(constant(rate, each), turn * each) for turn, rate in enumerate(rates))
    return itertools.chain.from_iterable(parts)


def spike(rate: float, peak: float, seconds: float) -> Iterator[float]:
    """Yield a constant rate whose middle fifth is at `peak`. Raises ValueError where one is not above 0."""
    return steps([rate, rate, peak, rate, rate], seconds / 5)


def _when(number: int, first: float, slope: float) -> float:
    if abs(slope) < 1e-9:
        return number / first
    # The root that is 0 for the first one, written so that it loses no digits where the slope is small.
    return 2 * number / (first + math.sqrt(max(0.0, first * first + 2 * slope * number)))


def _shifted(moments: Iterator[float], by: float) -> Iterator[float]:
    return (moment + by for moment in moments)


def _until(moments: Iterator[float], seconds: float | None) -> Iterator[float]:
    return moments if seconds is None else itertools.takewhile(lambda moment: moment < seconds, moments)


def _check(rate: float) -> None:
    if not 0 < rate < float("inf"):
        raise ValueError(f"The rate must be above 0 requests a second (got {rate}).")
