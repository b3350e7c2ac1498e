"""What the judge is fed: closed batches of counts, one arm beside the other."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from serving.metrics.histogram import BUCKETS, merge

JSON = dict[str, Any]


@dataclass(frozen=True)
class Arm:
    """What one arm counted in a batch.

    starts: requests that were routed to it; only the sample-ratio check reads them.
    completions: requests that got their outcome, errors and timeouts included, contract refusals not.
    errors: how many of the completions failed.
    latency: {bucket number: completions}, buckets of `serving.metrics.histogram` (growth 1.02 from 1 µs).
    scores: {bucket number: answers}, the histogram of what was predicted.

    Raises ValueError for a count below nought, more errors or latencies than completions, or an unknown bucket.
    """

    starts: int = 0
    completions: int = 0
    errors: int = 0
    latency: dict[int, int] = field(default_factory=dict)
    scores: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        counts = (self.starts, self.completions, self.errors, *self.latency.values(), *self.scores.values())
        if min(counts) < 0:
            raise ValueError("A count cannot be below nought.")
        if self.errors > self.completions:
            raise ValueError(f"There are {self.errors} errors in {self.completions} completions.")
        if sum(self.latency.values()) > self.completions:
            raise ValueError("There are more latencies than completions.")
        if self.latency and not (min(self.latency) >= 0 and max(self.latency) < BUCKETS):
            raise ValueError(f"The bucket of a latency is a number from 0 to {BUCKETS - 1}.")

    def __add__(self, other: Arm) -> Arm:
        return Arm(
            self.starts + other.starts,
            self.completions + other.completions,
            self.errors + other.errors,
            merge((self.latency, other.latency)),
            merge((self.scores, other.scores)),
        )

    def to_json(self) -> JSON:
        """Return it as JSON can hold it; `from_json` reads it back."""
        return {
            "starts": self.starts,
            "completions": self.completions,
            "errors": self.errors,
            "latency": {str(number): count for number, count in sorted(self.latency.items())},
            "scores": {str(number): count for number, count in sorted(self.scores.items())},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Arm:
        """Read what `to_json` wrote; raises ValueError or KeyError for anything else."""
        histograms = {name: {int(key): int(n) for key, n in data[name].items()} for name in ("latency", "scores")}
        return cls(int(data["starts"]), int(data["completions"]), int(data["errors"]), **histograms)


@dataclass(frozen=True)
class Batch:
    """One closed batch, usually of 10 s, and closed at every change of weight.

    number: grows from batch to batch; gaps are allowed, going back is not.
    seconds: how long it lasted.
    weight: the share of the candidate among the requests of both arms while it lasted, from 0 to 1 (5 % is 0.05).
    stable, candidate: the two arms. In the history before a release the candidate is the control: the same package.

    Raises ValueError for a weight that is no share, or a length that is not above nought.
    """

    number: int
    seconds: float
    weight: float
    stable: Arm
    candidate: Arm

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 1:
            raise ValueError(f"The weight is a share from 0 to 1, not {self.weight:g}; 5 % is 0.05.")
        if not 0 < self.seconds < math.inf:
            raise ValueError("A batch lasts some seconds.")

    def to_json(self) -> JSON:
        """Return it as JSON can hold it; `from_json` reads it back."""
        arms = {"stable": self.stable.to_json(), "candidate": self.candidate.to_json()}
        return {"number": self.number, "seconds": self.seconds, "weight": self.weight} | arms

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | str | bytes) -> Batch:
        """Read what `to_json` wrote, or its text; raises ValueError or KeyError for anything else."""
        found = json.loads(data) if isinstance(data, str | bytes) else data
        arms = (Arm.from_json(found["stable"]), Arm.from_json(found["candidate"]))
        return cls(int(found["number"]), float(found["seconds"]), float(found["weight"]), *arms)


def total(arms: Iterable[Arm]) -> Arm:
    """Add arms up: the counts of several gateways, or of several batches."""
    return sum(arms, Arm())


def minutes(batches: Iterable[Batch]) -> list[tuple[Arm, Arm]]:
    """Add batches up to whole minutes: (stable, candidate) each; what is left at the end is left out."""
    found: list[tuple[Arm, Arm]] = []
    stable, candidate, seconds = [], [], 0.0
    for batch in batches:
        stable.append(batch.stable)
        candidate.append(batch.candidate)
        seconds += batch.seconds
        if seconds >= 60 - 1e-6:
            found.append((total(stable), total(candidate)))
            stable, candidate, seconds = [], [], 0.0
    return found
