"""How much noisier than chance an arm is: requests that share a replica, a user or a second are not independent.

The exponent of the e-value is divided by this factor. Dividing can only lower the mean of an e-value (Jensen), so the
guarantee stays, and it is needed: without it noisy replicas alone are rolled back. Measured where both arms run the
same package (F8 of docs/judge.md), because there every surplus is noise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from releases.analysis.tilt import Floats, Ints

# Fewer minutes than this are filled up with the factor that is assumed where nothing was measured.
ENOUGH = 10


def dispersion(minutes: Sequence[tuple[Ints, Ints]], scores: Floats, unknown: float) -> float:
    """Return the factor, at least 1, for one score function.

    minutes: (candidate, stable) counts by bin, shape (bins,) each, of whole minutes in which both ran one package.
    scores: shape (bins,).
    unknown: what stands for the minutes that are missing to ten; those in which nothing differed say nothing.
    """
    ratios = list(_ratios(minutes, scores))
    missing = max(0, ENOUGH - len(ratios))
    return max(1.0, (sum(ratios) + missing * unknown) / (len(ratios) + missing))


def measured(minutes: Sequence[tuple[Ints, Ints]], scores: Floats) -> bool:
    """Answer whether there is history enough to measure the factor on."""
    return sum(1 for _ in _ratios(minutes, scores)) >= ENOUGH


def _ratios(minutes: Iterable[tuple[Ints, Ints]], scores: Floats) -> Iterable[float]:
    """The square of what the candidate got beyond its share, over the variance of a random sample."""
    for candidate, stable in minutes:
        pooled = candidate + stable
        size, drawn = int(pooled.sum()), int(candidate.sum())
        if drawn in (0, size):
            continue
        mean = float(scores @ pooled) / size
        variance = drawn * (1 - drawn / size) * float(pooled @ (scores - mean) ** 2) / (size - 1)
        if variance > 0:
            yield (float(scores @ candidate) - drawn * mean) ** 2 / variance
