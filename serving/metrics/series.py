"""What is counted: the series of one kind of request, its line on the hot path, and how two of them are added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

# Model, generation, arm, package digest, mode, protocol.
Key = tuple[str, int, str, str, str, str]
K = TypeVar("K")


@dataclass(slots=True, kw_only=True)
class Counts:
    """What can be added up. starts = completions + refused + what still runs.

    Errors are completions too, and every completion has a latency. `seconds` adds up the latencies, `queued` and
    `computed` how long requests waited for their model and it took.
    """

    starts: int = 0
    completions: int = 0
    refused: int = 0
    rows: int = 0
    seconds: float = 0.0
    queued: float = 0.0
    computed: float = 0.0
    errors: dict[str, int] = field(default_factory=dict)

    def plus(self, more: Counts) -> None:
        """Add others to these; in any order the sum is the same."""
        self.starts += more.starts
        self.completions += more.completions
        self.refused += more.refused
        self.rows += more.rows
        self.seconds += more.seconds
        self.queued += more.queued
        self.computed += more.computed
        merge_into(self.errors, more.errors)


@dataclass(slots=True)
class Series(Counts):
    """The counts of one kind of request in one cell. `latency` and `scores` are histograms by bucket number.

    Without a package it counts who was turned away before one was picked: `refused`, and in `errors` the reasons.
    """

    model: str
    generation: int
    arm: str
    package: str
    mode: str
    protocol: str
    latency: dict[int, int] = field(default_factory=dict)
    scores: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Line:
    """One kind of request, and its series in the cell of the second `at`; keep it, and counting needs no look-up.

    `number` is what people call the package.
    """

    environment: str
    key: Key
    at: int = -1
    series: Series = field(default_factory=lambda: Series("", 0, "", "", "", ""))
    number: int = 0


def copy(series: Series) -> Series:
    """Return a copy that does not change when the original does."""
    return replace(series, errors=dict(series.errors), latency=dict(series.latency), scores=dict(series.scores))


def add(total: Series, more: Series) -> None:
    """Add one series to another; in any order the sum is the same."""
    total.plus(more)
    merge_into(total.latency, more.latency)
    merge_into(total.scores, more.scores)


def merge_into(mine: dict[K, int], theirs: Mapping[K, int]) -> None:
    """Add counts by name or bucket number."""
    for number, count in theirs.items():
        mine[number] = mine.get(number, 0) + count
