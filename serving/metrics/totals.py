"""Totals since the process started, by kind of request: what Prometheus reads, after the cells are forgotten too."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from serving.metrics.histogram import BUCKETS, TOP, edge
from serving.metrics.series import Counts, Series

# Upper edges in seconds, each the edge of one of the 940 buckets, so that a total counts exactly what they count.
WANTED = (
    *(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01),
    *(0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
FINE = tuple(edge(number) for number in range(BUCKETS))
CUTS = tuple(bisect_left(FINE, seconds * (1 - 1e-9)) for seconds in WANTED)
EDGES = tuple(FINE[cut] for cut in CUTS)
# The coarse bucket of each fine one; the last holds everything above the highest edge.
COARSE = tuple(sum(number >= cut for cut in CUTS) for number in range(BUCKETS))
assert COARSE[TOP] == len(EDGES)  # noqa: S101 - a timeout lies above every edge

# Environment, model, arm, package digest, mode, protocol.
Name = tuple[str, str, str, str, str, str]


@dataclass(slots=True)
class Total(Counts):
    """Counts that only grow, last at second `at`. `latency` has one number per coarse bucket, not cumulative."""

    latency: list[int] = field(default_factory=lambda: [0] * (len(EDGES) + 1))
    at: int = 0

    def add(self, series: Series) -> None:
        """Add what one cell counted."""
        self.plus(series)
        for number, count in series.latency.items():
            self.latency[COARSE[number]] += count

    @property
    def running(self) -> int:
        """How many have started and have no outcome yet."""
        return self.starts - self.completions - self.refused


Totals = dict[Name, Total]


def fold(totals: Totals, environment: str, at: int, cell: Iterable[Series]) -> None:
    """Add the cell of one second to the totals; each cell once, when nothing can change it any more."""
    for series in cell:
        name = (environment, series.model, series.arm, series.package, series.mode, series.protocol)
        total = totals.get(name)
        if total is None:
            total = totals[name] = Total()
        total.add(series)
        total.at = max(total.at, at)


def copied(totals: Totals) -> Totals:
    """Return totals that do not change when these do."""
    return {
        name: replace(total, errors=dict(total.errors), latency=list(total.latency)) for name, total in totals.items()
    }
