"""Made traffic: what two arms would have counted, second by second of a world in which the truth is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from releases.analysis.batch import Arm, Batch
from serving.metrics.histogram import BUCKETS, edge

SECONDS, BATCHES, CONTROL, HOUR = 10.0, 360, 0.10, 60
MEDIAN, SIGMA = 0.1, 0.5
# The z of the 98th and 99th percentile of the normal law.
Z98, Z99 = 2.0537489, 2.3263479

Curve = Callable[[float], float]


@dataclass(frozen=True)
class World:
    """A traffic class and what is true in it. All curves take minutes since the start.

    rate: requests a second. weight: the candidate's share. stable, candidate: error rates. kinds: of latency, see
    `law`. noise: the coefficient of variation of each arm's error rate from minute to minute. lost: the share of the
    candidate's requests that vanish before they are counted. history: whether an hour of A/A comes before it.
    """

    rate: Curve | float
    weight: Curve | float
    stable: Curve | float = 0.01
    candidate: Curve | float | None = None
    kinds: Callable[[float], tuple[str, str]] | tuple[str, str] = ("usual", "usual")
    noise: float = 0.0
    lost: float = 0.0

    def errors(self, minute: float) -> tuple[float, float]:
        usual = at(self.stable, minute)
        return usual, usual if self.candidate is None else at(self.candidate, minute)


BUSY, SMALL, SPLIT = World(200, 0.05), World(20, 0.10), World(20, 0.50)


def at(curve: Curve | float, minute: float) -> float:
    return curve(minute) if callable(curve) else curve


def history(world: World, dice: np.random.Generator) -> list[Batch]:
    """An hour of stable beside its control, as batches of a minute; the world as it is at its first minute."""
    calm = replace(world, candidate=None, lost=0.0, kinds=("usual", "usual"))
    return [_batch(calm, number, 60.0, 0.0, CONTROL, _noise(world, dice), dice) for number in range(HOUR)]


def batches(world: World, dice: np.random.Generator, count: int = BATCHES) -> Iterator[Batch]:
    """The batches of a canary, ten seconds each."""
    noise = (1.0, 1.0)
    for number in range(count):
        minute = number * SECONDS / 60
        if number % 6 == 0:
            noise = _noise(world, dice)
        yield _batch(world, number, SECONDS, minute, at(world.weight, minute), noise, dice)


def _noise(world: World, dice: np.random.Generator) -> tuple[float, float]:
    if not world.noise:
        return 1.0, 1.0
    shape = 1 / world.noise**2
    drawn = dice.gamma(shape, 1 / shape, 2)
    return float(drawn[0]), float(drawn[1])


def _batch(
    world: World,
    number: int,
    seconds: float,
    minute: float,
    weight: float,
    noise: tuple[float, float],
    dice: np.random.Generator,
) -> Batch:
    size = int(dice.poisson(at(world.rate, minute) * seconds))
    drawn = int(dice.binomial(size, weight))
    usual, raised = world.errors(minute)
    kinds = world.kinds(minute) if callable(world.kinds) else world.kinds
    stable = _arm(size - drawn, usual * noise[0], kinds[0], dice)
    kept = int(dice.binomial(drawn, 1 - world.lost)) if world.lost else drawn
    return Batch(number, seconds, weight, stable, _arm(kept, raised * noise[1], kinds[1], dice))


def _arm(size: int, error_rate: float, kind: str, dice: np.random.Generator) -> Arm:
    numbers, chances = law(kind)
    counts = dice.multinomial(size, chances)
    filled = np.flatnonzero(counts)
    latency = dict(zip(numbers[filled].tolist(), counts[filled].tolist(), strict=True))
    return Arm(size, size, int(dice.binomial(size, min(1.0, error_rate))), latency)


@cache
def law(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Bucket numbers and their chances. Lognormal, median 100 ms, sigma 0.5; against it a candidate can be

    whole: 10 % slower everywhere; p99: 20 % slower there with the same median; slowest: 20 % slower beyond p98;
    incident: 50 % slower everywhere, which both arms are.
    """
    edges = np.array([edge(number) for number in range(1, BUCKETS)])
    below = {
        "usual": lambda x: _lognormal(x),
        "whole": lambda x: _lognormal(x / 1.1),
        "incident": lambda x: _lognormal(x / 1.5),
        "p99": lambda x: _lognormal(x, SIGMA + math.log(1.2) / Z99),
        "slowest": _slowest,
    }[kind](edges)
    chances = np.diff(np.concatenate(([0.0], below, [1.0])))
    kept = np.flatnonzero(chances > 1e-12)
    return kept, chances[kept] / chances[kept].sum()


def _lognormal(x: np.ndarray, sigma: float = SIGMA) -> np.ndarray:
    return np.array([0.5 * (1 + math.erf(math.log(each / MEDIAN) / sigma / math.sqrt(2))) for each in x])


def _slowest(x: np.ndarray) -> np.ndarray:
    begins = MEDIAN * math.exp(SIGMA * Z98)
    moved = _lognormal(np.maximum(x / 1.2, begins))
    return np.where(x <= begins, _lognormal(x), np.maximum(moved, 0.98))
