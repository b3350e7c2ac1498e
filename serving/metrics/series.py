"""What is counted: the series of one kind of request, its line on the hot path, and how two of them are added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

# Model, generation, arm, package digest, mode, protocol.
Key = tuple[str, int, str, str, str, str]
K = TypeVar("K")


@dataclass(slots=True)
class Series:
    """The counts of one kind of request in one cell. `latency` and `scores` are histograms by bucket number.

    starts = completions + refused + what still runs. Errors are completions too, and every completion has a latency.
    `seconds` adds up the latencies, `queued` and `computed` how long requests waited for their model and it took.
    Without a package it counts who was turned away before one was picked: `refused`, and in `errors` the reasons.
    """

    model: str
    generation: int
    arm: str
    package: str
    mode: str
    protocol: str
    starts: int = 0
    completions: int = 0
    refused: int = 0
    rows: int = 0
    seconds: float = 0.0
    queued: float = 0.0
    computed: float = 0.0
    errors: dict[str, int] = field(default_factory=dict)
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
    total.starts += more.starts
    total.completions += more.completions
    total.refused += more.refused
    total.rows += more.rows
    total.seconds += more.seconds
    total.queued += more.queued
    total.computed += more.computed
    merge_into(total.errors, more.errors)
    merge_into(total.latency, more.latency)
    merge_into(total.scores, more.scores)


def merge_into(mine: dict[K, int], theirs: Mapping[K, int]) -> None:
    """Add counts by name or bucket number."""
    for number, count in theirs.items():
        mine[number] = mine.get(number, 0) + count
