"""Before the start: how long a canary needs to find a fault of a given size, and which it cannot find at all.

The plan is played through many times with the same evidence as the judge's, on counts alone: as many errors as chance
gives, slot by slot. It asks nothing of the judge's exact sum but an upper bound of it (Hoeffding, JASA 58, 1963,
section 6), so that it promises rather too little.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from releases.analysis import words
from releases.analysis.evidence import FIRST, ODDS, TILTS
from releases.analysis.settings import Settings
from releases.analysis.tilt import Floats, Ints

Flags = NDArray[np.bool_]
SURE = 0.95
RUNS, SLOTS, SHORTEST = 1000, 120, 10.0
# To find a rate to a twentieth, as somebody waits for it.
FEW_RUNS = 300
# The control's share of stable, and the minutes, that the dispersion is measured on.
CONTROL, MINUTES = 0.10, 60


@dataclass(frozen=True)
class Step:
    """A weight (share of the traffic, 0 to 1) and how long it lasts, in seconds."""

    weight: float
    seconds: float


@dataclass(frozen=True)
class Fault:
    """What shall be found: a rate of errors, or of slow requests, that rises from `base` to `raised` (0 to 1)."""

    base: float
    raised: float
    metric: Literal["errors", "latency"] = "errors"


@dataclass(frozen=True)
class Promise:
    """What the plan can do.

    found: the share of runs in which the fault was found before the last step was over.
    seconds: when it had been found in 95 of 100 runs, None where it was not; requests: of the candidate until then.
    """

    found: float
    seconds: float | None
    requests: int | None


def promise(
    rate: float,
    steps: Sequence[Step],
    fault: Fault,
    settings: Settings | None = None,
    dispersion: float = 1.0,
    seed: int = 0,
    runs: int = RUNS,
) -> Promise:
    """Play a plan through, `runs` times.

    rate: requests a second, both arms together. settings: their horizon is the plan's. dispersion: as last measured
    (F8); it is measured anew before each release and scatters, which is played too. The same arguments give the same
    promise. Raises ValueError for a plan without steps, and rates that are none.
    """
    _check(rate, steps, fault)
    length = sum(step.seconds for step in steps)
    settings = replace(settings or Settings(), horizon=length, restart=Settings.planned(length).restart)
    ends, weights = _slots(steps)
    lengths = np.diff(ends, prepend=0.0)
    dice = np.random.default_rng(seed)
    shape = (runs, ends.size)
    ours = dice.poisson(rate * weights * lengths * fault.raised, shape)
    theirs = dice.poisson(rate * (1 - weights) * lengths * fault.base, shape)
    tempering = _dispersions(rate, fault, dispersion, dice, runs)
    evidence = _evidence(ours, theirs, weights, ends, tempering, fault, settings)
    asked = np.cumsum(rate * weights * lengths)
    spared = np.cumsum(rate * (1 - weights) * lengths)
    found = (evidence >= math.log(settings.needed)) & _matters(ours, theirs, asked, spared, fault, settings)
    first = np.where(found.any(axis=1), found.argmax(axis=1), ends.size)
    place = int(np.sort(first)[math.ceil(SURE * runs) - 1])
    share = float((first < ends.size).mean())
    return Promise(share, float(ends[place]), int(asked[place])) if place < ends.size else Promise(share, None, None)


def least(
    rate: float, steps: Sequence[Step], base: float, settings: Settings | None = None, dispersion: float = 1.0
) -> float | None:
    """Return the smallest error rate that the plan finds in 95 of 100 cases, to a twentieth; None where it finds none.

    With None the canary can find nothing in the time that it is given: take more time, or a larger weight.
    """
    if promise(rate, steps, Fault(base, 1.0), settings, dispersion, runs=FEW_RUNS).seconds is None:
        return None
    low, high = math.log(base), 0.0
    while high - low > 0.05:
        middle = (low + high) / 2
        found = promise(rate, steps, Fault(base, math.exp(middle)), settings, dispersion, runs=FEW_RUNS).seconds
        low, high = (low, middle) if found is not None else (middle, high)
    return math.exp(high)


def sentence(rate: float, steps: Sequence[Step], fault: Fault, given: Promise) -> str:
    """Say the promise in words."""
    weights = " then ".join(f"{step.weight * 100:.3g} %" for step in steps)
    what = "an error rate" if fault.metric == "errors" else "a share of slow requests"
    where = f"At {words.number(rate * 60)} requests a minute and {weights} canary, {what} that rises"
    rise = f"from {fault.base * 100:.3g} % to {fault.raised * 100:.3g} %"
    if given.seconds is None:
        length = span(sum(step.seconds for step in steps))
        return f"{where} {rise} is found in only {given.found * 100:.0f} of 100 cases within {length}."
    return f"{where} {rise} is found within about {span(given.seconds)} in 95 of 100 cases."


def span(seconds: float) -> str:
    """Return a length of time as one would say it."""
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size or (unit != "days" and seconds >= size):
            return f"{seconds / size:.2g} {unit}" if seconds < 10 * size else f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _check(rate: float, steps: Sequence[Step], fault: Fault) -> None:
    if not rate > 0:
        raise ValueError("Without requests nothing can be found; the rate must be above 0 a second.")
    if not steps or any(not 0 < step.weight < 1 or not step.seconds > 0 for step in steps):
        raise ValueError("A plan has steps, each with a weight between 0 and 1 and some seconds.")
    if not 0 < fault.base < fault.raised <= 1:
        raise ValueError("The rate must rise: from above 0 to at most 1.")


def _slots(steps: Sequence[Step]) -> tuple[Floats, Floats]:
    """Return the ends (seconds) and weights of the slots between looks: ten seconds, or longer in a long plan."""
    length = max(SHORTEST, sum(step.seconds for step in steps) / SLOTS)
    ends, weights, begun = [], [], 0.0
    for step in steps:
        count = max(1, round(step.seconds / length))
        ends += [begun + step.seconds * (number + 1) / count for number in range(count)]
        weights += [step.weight] * count
        begun += step.seconds
    return np.array(ends), np.array(weights)


def _dispersions(rate: float, fault: Fault, dispersion: float, dice: np.random.Generator, runs: int) -> Floats:
    """Draw what an hour of history would measure where `dispersion` is true; rare errors make it scatter more."""
    a_minute = rate * 60 * fault.base
    minutes = max(1.0, MINUTES * -math.expm1(-a_minute))
    scatter = 2 + 1 / (max(a_minute, 1.0) * CONTROL * (1 - CONTROL))
    drawn = dice.gamma(minutes / scatter, scatter / minutes, runs)
    found: Floats = np.maximum(1.0, dispersion * drawn)
    return found


def _evidence(
    ours: Ints, theirs: Ints, weights: Floats, ends: Floats, tempering: Floats, fault: Fault, settings: Settings
) -> Floats:
    """Return the log evidence after each slot, shape (runs, slots): of the fault's own family alone."""
    tilts = np.log(ODDS) if fault.metric == "errors" else np.array(TILTS)
    share = settings.share(fault.metric) / (1 if fault.metric == "errors" else 6)
    starts = [int(np.searchsorted(ends, settings.restart * (number + 1))) for number in range(settings.restarts)]
    first, later = (FIRST, (1 - FIRST) / len(starts)) if starts else (1.0, 0.0)
    total = np.zeros(ours.shape)
    for tilt in tilts:
        steps = (tilt * ours - (ours + theirs) * np.log1p(weights * math.expm1(tilt))) / tempering[:, None]
        product = np.cumsum(steps, axis=1)
        total += first * np.exp(np.minimum(product, 600))
        for start in starts:
            if 0 < start < ends.size:
                since = product[:, start:] - product[:, start - 1 : start]
                total[:, start:] += later * np.exp(np.minimum(since, 600))
    found: Floats = np.log(share / tilts.size * total)
    return found


def _matters(ours: Ints, theirs: Ints, asked: Floats, spared: Floats, fault: Fault, settings: Settings) -> Flags:
    """The effect gate for errors; what it asks of latencies cannot be told from counts."""
    if fault.metric != "errors":
        return np.ones(ours.shape, dtype=bool)
    mine, others = np.cumsum(ours, axis=1) / asked, np.cumsum(theirs, axis=1) / spared
    found: Flags = mine * (1 - np.minimum(others, 1)) >= settings.odds_effect * others * (1 - np.minimum(mine, 1))
    return found
