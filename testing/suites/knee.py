"""Find the highest rate that keeps every limit: climb, halve the gap, and confirm around the knee (pure)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

PRECISE = 1.04  # the gap between what held and what broke, at which the search ends
LEAST = 0.5  # requests a second below which there is nothing to find
SHRINK = 0.96


@dataclass(frozen=True)
class Step:
    """One rate that was tried: what broke ("" where every limit held), and what was measured."""

    rate: float
    broke: str = ""
    throughput: float = 0.0
    p50: float | None = None
    p99: float | None = None
    failed: float = 0.0


@dataclass
class Knee:
    """`capacity` held, confirmed by repeats; `broke` is what gave way first above it, "" where nothing did."""

    capacity: float = 0.0
    broke: str = ""
    confirmed: int = 0
    steps: list[Step] = field(default_factory=list)


Probe = Callable[[float], Step]


def search(probe: Probe, first: float, grow: float, most: float, repeats: int = 3) -> Knee:
    """Return the knee; `probe` tries one rate. The capacity is 0 where even the lowest rate broke."""
    knee = Knee()

    def holds(rate: float) -> bool:
        step = probe(rate)
        knee.steps.append(step)
        if step.broke and not knee.broke:
            knee.broke = step.broke
        return not step.broke

    good, bad = _climb(holds, first, grow, most)
    while good and bad and bad / good > PRECISE:
        middle = math.sqrt(good * bad)
        good, bad = (middle, bad) if holds(middle) else (good, middle)
    knee.capacity, knee.confirmed = _confirm(holds, good, repeats)
    return knee


def _climb(holds: Callable[[float], bool], first: float, grow: float, most: float) -> tuple[float, float]:
    """Return the last rate that held and the first that did not; 0 stands for none."""
    if not holds(first):
        good, bad = first / grow, first
        while good >= LEAST and not holds(good):
            good, bad = good / grow, good
        return (good if good >= LEAST else 0.0), bad
    good = first
    while good < most:
        rate = min(most, good * grow)
        if not holds(rate):
            return good, rate
        good = rate
    return good, 0.0


def _confirm(holds: Callable[[float], bool], rate: float, repeats: int) -> tuple[float, int]:
    """Repeat a rate; most of the repeats must hold, else a little less is tried."""
    while rate >= LEAST:
        held = sum(holds(rate) for _ in range(repeats))
        if 2 * held > repeats or not repeats:
            return rate, held
        rate *= SHRINK
    return 0.0, 0
