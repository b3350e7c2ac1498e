"""Two answers to the same rows: do they agree, and by how much do they differ? One rule for every comparison (D13)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from serving.runtimes import Answer

Flip = tuple[str, str]


@dataclass(frozen=True)
class Rule:
    """Two numbers agree that differ by no more than atol + rtol × the live one; two classes when they are the same."""

    atol: float = 0.0
    rtol: float = 0.0


@dataclass(frozen=True)
class Compared:
    """For each row: whether the answers agree, and how far they are apart (both of shape (rows,)).

    Numbers are apart by their difference, classes by the greatest shift of a probability, or by 1 where there are no
    probabilities and the classes differ. `live` and `shadow` are each row's number, or the probability that each gives
    to the class that the live package chose; `flips` are the classes of a row whose class differs, else None.
    """

    agrees: np.ndarray
    apart: np.ndarray
    live: np.ndarray
    shadow: np.ndarray
    flips: list[Flip | None]


def compare(live: Answer, shadow: Answer, rule: Rule) -> Compared:
    """Compare row by row; raises ValueError, in words, for answers of which nobody can say whether they agree."""
    if (live.values is None) != (shadow.values is None):
        raise ValueError("One of the packages answers with numbers, and the other one with classes.")
    return _classes(live, shadow) if live.values is None else _numbers(live.values, shadow.values, rule)


def _numbers(live: np.ndarray, shadow: np.ndarray | None, rule: Rule) -> Compared:
    if shadow is None or live.shape != shadow.shape:
        raise ValueError("The packages answer with different numbers of values.")
    rows = len(live)
    ours, theirs = live.reshape(rows, -1), shadow.reshape(rows, -1)
    gaps = np.abs(ours - theirs)
    agrees = (gaps <= rule.atol + rule.rtol * np.abs(ours)).all(axis=1)
    worst = gaps.argmax(axis=1)
    each = np.arange(rows)
    return Compared(agrees, gaps[each, worst], ours[each, worst], theirs[each, worst], [None] * rows)


def _classes(live: Answer, shadow: Answer) -> Compared:
    ours, theirs = _names(live.labels), _names(shadow.labels)
    if len(ours) != len(theirs):
        raise ValueError("The packages answer different numbers of rows.")
    flips = [None if a == b else (a, b) for a, b in zip(ours, theirs, strict=True)]
    agrees = np.array([flip is None for flip in flips], bool)
    if live.probabilities is None or shadow.probabilities is None:
        unlike = 1.0 - agrees
        return Compared(agrees, unlike, np.ones(len(ours)), 1.0 - unlike, flips)
    names = sorted({*_names(live.classes), *_names(shadow.classes)})
    before, after = _by_name(live, names), _by_name(shadow, names)
    chosen, each = [names.index(name) for name in ours], np.arange(len(ours))
    return Compared(agrees, np.abs(before - after).max(axis=1), before[each, chosen], after[each, chosen], flips)


def _names(found: Any) -> list[str]:
    """Classes by their texts: one runtime's 1 may be the other's "1"."""
    return [str(name) for name in found or ()]


def _by_name(answer: Answer, names: list[str]) -> np.ndarray:
    """Return the probabilities (rows, names); a class that a package does not know has none."""
    found = np.zeros((len(answer.labels or ()), len(names)))
    for at, name in enumerate(_names(answer.classes)):
        if answer.probabilities is not None:
            found[:, names.index(name)] = answer.probabilities[:, at]
    return found
