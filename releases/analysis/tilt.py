"""The e-value of one batch: how much better "the candidate is worse" explains which requests went bad where.

Given what all requests of a batch came to, a candidate that is no worse got a random sample of them. The e-value
compares the sample that it got with the mean over all samples that it could have got, tilted towards the bad end by
lambda. It conditions on the batch's totals: an incident that hits both arms says nothing about the candidate.
Its mean under "no worse" is at most 1, whatever the law of the outcomes (Vovk and Wang, Annals of Statistics 49(3),
2021, for e-values; the permutation form in docs/judge.md).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Up to this many possible counts of bad ones the sum over all of them is the shorter way.
FEW = 1024
ROUNDS, SMALL = 400, 1e-13


def log_e(h_c: ArrayLike, h_b: ArrayLike, scores: ArrayLike, lam: ArrayLike) -> float | Floats:
    """Return the natural logarithm of the batch's e-value: `lam * sum(scores * h_c) - log G(lam)`.

    h_c, h_b: how many requests of the candidate and of stable fell into each bin, shape (bins,), whole numbers.
    scores: how bad a bin is, shape (bins,), any order, any finite numbers.
    lam: the tilt, above nought against "no worse", below against "no better"; a number, or shape (tilts,).

    Returns a float for a number, else shape (tilts,). With an empty arm it is 0: nothing was learnt.
    Raises ValueError for shapes that do not fit, and counts below nought.
    """
    candidate, stable = np.asarray(h_c, dtype=np.int64), np.asarray(h_b, dtype=np.int64)
    badness = np.asarray(scores, dtype=np.float64)
    if not (candidate.ndim == 1 and candidate.shape == stable.shape == badness.shape):
        raise ValueError("The counts of both arms and the scores must have one number for each bin.")
    if candidate.size and min(candidate.min(), stable.min()) < 0:
        raise ValueError("A count cannot be below nought.")
    tilts = np.atleast_1d(np.asarray(lam, dtype=np.float64))
    found = _log_e(candidate, stable, badness, tilts)
    return float(found[0]) if np.ndim(lam) == 0 else found


def _log_e(candidate: Ints, stable: Ints, scores: Floats, tilts: Floats) -> Floats:
    pooled = candidate + stable
    size, drawn = int(pooled.sum()), int(candidate.sum())
    if drawn in (0, size):
        return np.zeros_like(tilts)
    return tilts * float(scores @ candidate) - log_mean(pooled, drawn, scores, tilts)


def log_mean(pooled: Ints, drawn: int, scores: Floats, tilts: Floats) -> Floats:
    """Return log G for every tilt: the mean of exp(tilt * sum of scores) over all samples of `drawn` pooled requests.

    Exact up to rounding; shape (tilts,).
    """
    filled = pooled > 0
    pooled, scores = pooled[filled], scores[filled]
    low, high = float(scores.min()), float(scores.max())
    if low == high:
        return tilts * low * drawn
    bad = scores == high
    if bool(np.all(bad | (scores == low))):
        good, worse = int(pooled[~bad].sum()), int(pooled[bad].sum())
        if min(drawn, worse) - max(0, drawn - good) < FEW:
            return tilts * low * drawn + _log_mean_of_two(good, worse, drawn, tilts * (high - low))
    return _log_mean_of_many(pooled.astype(np.float64), drawn, scores, tilts)


def _log_mean_of_two(good: int, bad: int, drawn: int, tilts: Floats) -> Floats:
    """Two bins: the generating function of the hypergeometric law, summed over every possible count of bad ones."""
    count = np.arange(max(0, drawn - good), min(drawn, bad) + 1)
    chance = _log_choose(bad, count) + _log_choose(good, drawn - count) - _log_choose(good + bad, np.array([drawn]))
    return _log_sum(chance[:, None] + count[:, None] * tilts)


def _log_mean_of_many(pooled: Floats, drawn: int, scores: Floats, tilts: Floats) -> Floats:
    """Any number of bins: the coefficient of z^drawn in prod (1 + z exp(tilt * score))^count, read off a circle.

    The circle goes through the point at which the mean count is `drawn`, so that what is read off is of size
    1 / sqrt(variance); its points are as many as the variance asks for (exact when they are as many as requests).
    """
    size = pooled.sum()
    lifted = tilts[:, None] * scores
    shift = _shift(pooled, drawn, lifted)
    chance = 1 / (1 + np.exp(-(shift[:, None] + lifted)))
    spread = chance * (1 - chance)
    points = int(min(size + 1, 16 * math.sqrt(float((pooled * spread).sum(axis=1).max())) + 40))
    angle = 2 * np.pi * np.arange(points // 2 + 1) / points
    twice = np.where((angle == 0) | (2 * np.arange(angle.size) == points), 1.0, 2.0)
    real, imaginary = 1 - chance[:, :, None] * (1 - np.cos(angle)), chance[:, :, None] * np.sin(angle)
    with np.errstate(divide="ignore"):  # on the far side of the circle a factor can be nought, and so is the product
        size_of = 0.5 * np.log(real * real + imaginary * imaginary)
    length = np.exp(np.einsum("b,tba->ta", pooled, size_of))
    turned = np.einsum("b,tba->ta", pooled, np.arctan2(imaginary, real)) - drawn * angle
    read_off = (twice * length * np.cos(turned)).sum(axis=1) / points
    on_the_way = (pooled * np.logaddexp(0, shift[:, None] + lifted)).sum(axis=1) - drawn * shift
    found: Floats = on_the_way + np.log(read_off) - float(_log_choose(int(size), np.array([drawn]))[0])
    return found


def _shift(pooled: Floats, drawn: int, lifted: Floats) -> Floats:
    """Return the x for each tilt with sum(count * chance) = drawn, chance = 1 / (1 + exp(-(x + lifted)))."""
    size = pooled.sum()
    shift: Floats = math.log(drawn / (size - drawn)) - lifted @ pooled / size
    for _ in range(ROUNDS):
        chance = 1 / (1 + np.exp(-(shift[:, None] + lifted)))
        slope = (pooled * chance * (1 - chance)).sum(axis=1)
        step = np.clip(((pooled * chance).sum(axis=1) - drawn) / np.maximum(slope, 1e-300), -1, 1)
        shift = shift - step
        if np.abs(step).max() < SMALL:
            break
    return shift


def _log_sum(values: Floats) -> Floats:
    """Return log(sum(exp(values))) along the first axis."""
    top = values.max(axis=0)
    found: Floats = top + np.log(np.exp(values - top).sum(axis=0))
    return found


_factorials: Floats = np.zeros(2)


def _log_choose(size: int, drawn: Ints) -> Floats:
    """Return log of the binomial coefficients (size over drawn)."""
    table = _log_factorials(size)
    found: Floats = table[size] - table[drawn] - table[size - drawn]
    return found


def _log_factorials(most: int) -> Floats:
    """Return log(0!), log(1!), … up to at least `most`; the table grows by doubling and is kept."""
    global _factorials
    if _factorials.size <= most:
        numbers = np.arange(1, 2 * most + 2, dtype=np.float64)
        _factorials = np.concatenate(([0.0], np.cumsum(np.log(numbers))))
    return _factorials
