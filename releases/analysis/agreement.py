"""Counts against a limit: is a rate certainly above it, or certainly below? Answers that disagree, errors, labels.

Each answer is an average of likelihood ratios with fixed weights, so that it may be read at any time (F10 of
docs/judge.md); 1 / alpha is enough evidence. All functions take whole counts so far, and return natural logarithms.
"""

from __future__ import annotations

import math

import numpy as np

from releases.analysis.evidence import log_average
from releases.analysis.tilt import Floats

MORE = np.array((1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0))
LESS = np.array((0.02, 0.1, 0.25, 0.5, 0.75))
# How often one of two models is the wrong one where exactly one of them is.
WRONG = np.array((0.52, 0.55, 0.6, 0.65, 0.7, 0.8, 0.9))
FINE = np.concatenate((np.geomspace(1e-6, 0.5, 240), 1 - np.geomspace(0.5, 1e-6, 240)[1:]))


def above(events: int, trials: int, limit: float) -> float:
    """Return the log evidence that events happen in more than `limit` (0 to 1) of the trials."""
    return _average(events, trials, limit, MORE * limit)


def below(events: int, trials: int, limit: float) -> float:
    """Return the log evidence that events happen in less than `limit` (0 to 1) of the trials."""
    return _average(events, trials, limit, LESS * limit)


def interval(events: int, trials: int, alpha: float = 0.05) -> tuple[float, float]:
    """Return the rates that are neither certainly above nor certainly below: holds at every look with 1 - alpha."""
    _check(events, trials)
    doubt = math.log(2 / alpha)
    kept = [rate for rate in FINE if max(above(events, trials, rate), below(events, trials, rate)) < doubt]
    low = max([rate for rate in FINE if rate < kept[0]], default=0.0) if kept else 0.0
    high = min([rate for rate in FINE if rate > kept[-1]], default=1.0) if kept else 1.0
    return (0.0 if events == 0 else float(low)), (1.0 if events == trials else float(high))


def worse_label(candidate_wrong: int, stable_wrong: int) -> float:
    """Return the log evidence that the candidate is wrong more often, of labelled pairs in which one was right.

    McNemar's test as a bet: given that exactly one was wrong, under "no worse" it was the candidate in half of them.
    """
    _check(candidate_wrong, candidate_wrong + stable_wrong)
    logs = candidate_wrong * np.log(2 * WRONG) + stable_wrong * np.log(2 * (1 - WRONG))
    return log_average(logs)


def _average(events: int, trials: int, limit: float, rates: Floats) -> float:
    _check(events, trials)
    if not 0 < limit < 1:
        raise ValueError(f"The limit is a rate between 0 and 1, not {limit:g}.")
    lawful = rates[rates < 1]
    if not lawful.size:
        return 0.0
    logs = events * np.log(lawful / limit) + (trials - events) * np.log((1 - lawful) / (1 - limit))
    # A rate that cannot be has its weight on "nothing learnt", so that the weights stay what they were.
    return log_average(np.concatenate((logs, np.zeros(rates.size - lawful.size))))


def _check(events: int, trials: int) -> None:
    if not 0 <= events <= trials:
        raise ValueError(f"There cannot be {events} events in {trials} trials.")
