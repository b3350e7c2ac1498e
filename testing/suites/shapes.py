"""How the rate of a load run goes over its time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from testing import loadgen

Shape = Callable[[float, float, int], Iterator[float]]

# Name → moments from rate (requests a second), seconds and seed; the mean or the highest rate is the one that was set.
SHAPES: dict[str, Shape] = {
    "constant": lambda rate, seconds, seed: loadgen.constant(rate, seconds),
    "poisson": lambda rate, seconds, seed: loadgen.poisson(rate, seed, seconds),
    "ramp": lambda rate, seconds, seed: loadgen.ramp(rate / 10, rate, seconds),
    "step": lambda rate, seconds, seed: loadgen.steps([rate * turn / 4 for turn in (1, 2, 3, 4)], seconds / 4),
    "spike": lambda rate, seconds, seed: loadgen.spike(rate, 3 * rate, seconds),
}
