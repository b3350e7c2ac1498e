"""What a case expects of an answer, and whether one meets it (pure)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from releases.errors import Refused

EXACT, TOLERANCE, RANGE, PERSON = "exact", "tolerance", "range", "person"


@dataclass(frozen=True)
class Expectation:
    """`wanted` is the answer (exact), or the number it shall be near; `least` and `most` are the limits of a range."""

    kind: str = PERSON
    wanted: str = ""
    tolerance: float | None = None
    least: float | None = None
    most: float | None = None

    def check(self) -> None:
        """Raise Refused, naming the field, where it cannot be judged."""
        if self.kind not in (EXACT, TOLERANCE, RANGE, PERSON):
            raise Refused(f"Choose one of: {EXACT}, {TOLERANCE}, {RANGE}, {PERSON}.", "expectation")
        if self.kind == EXACT and not self.wanted.strip():
            raise Refused("Say which answer is expected.", "wanted")
        if self.kind == TOLERANCE and _number(self.wanted) is None:
            raise Refused("Say which number is expected.", "wanted")
        if self.kind == TOLERANCE and (self.tolerance is None or not 0 <= self.tolerance < math.inf):
            raise Refused("Say how far from it the answer may be; 0 or more.", "tolerance")
        if self.kind == RANGE:
            self._check_range()

    def _check_range(self) -> None:
        if self.least is None and self.most is None:
            raise Refused("Say at least one limit.", "least")
        if self.least is not None and self.most is not None and self.least > self.most:
            raise Refused("The upper limit is below the lower one.", "most")

    def met(self, answer: Any) -> bool | None:
        """Say whether a V1 prediction meets it; None where a person judges."""
        value = answer["label"] if isinstance(answer, dict) and "label" in answer else answer
        number = _number(value)
        if self.kind == EXACT:
            wanted = _number(self.wanted)
            return number == wanted if number is not None and wanted is not None else str(value) == self.wanted.strip()
        if self.kind == TOLERANCE:
            near = _number(self.wanted)
            return number is not None and near is not None and abs(number - near) <= (self.tolerance or 0.0)
        if self.kind == RANGE:
            low, high = (
                (-math.inf if self.least is None else self.least),
                (math.inf if self.most is None else self.most),
            )
            return number is not None and low <= number <= high
        return None

    def words(self) -> str:
        """Say it in a sentence."""
        if self.kind == EXACT:
            return f"Exactly {self.wanted}."
        if self.kind == TOLERANCE:
            return f"{self.wanted}, at most {self.tolerance:g} away."
        if self.kind == RANGE:
            if self.least is None or self.most is None:
                return f"At most {self.most:g}." if self.least is None else f"At least {self.least:g}."
            return f"From {self.least:g} to {self.most:g}."
        return "A person judges."


def of(case: Any) -> Expectation:
    """Return what a case of a plan or of a sheet expects."""
    return Expectation(case.expectation, case.wanted, case.tolerance, case.least, case.most)


def difference(one: Any, other: Any) -> str:
    """Say how far the candidate's answer is from the live one's."""
    if one == other:
        return "the same"
    left, right = (each["label"] if isinstance(each, dict) and "label" in each else each for each in (one, other))
    new, old = _number(left), _number(right)
    if new is None or old is None:
        return "the same class, other probabilities" if left == right else "another class"
    share = f" ({(new - old) / abs(old):+.2%})" if old else ""
    return f"{new - old:+.6g}{share}"


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except ValueError:
        return None
    return found if math.isfinite(found) else None
