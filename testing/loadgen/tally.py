"""What came of the requests: one outcome each, added up into counts and histograms."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from serving.metrics.histogram import Histogram, bucket, merge, quantile

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}
UNSENT, STOPPED, TIMEOUT, CONNECTION = "unsent", "stopped", "timeout", "connection"
# A time-out took at least that long and is counted; a refused connection is quick and would flatter the percentiles.
WITHOUT_LATENCY = frozenset({UNSENT, STOPPED, CONNECTION})


@dataclass(frozen=True)
class Outcome:
    """One request; all moments in seconds after the start.

    `woken` is when the generator turned to it, `sent` when it had a connection, `error` is None for a 2xx answer, else
    `status <n>`, `timeout`, `connection`, `unsent` (too many on the way) or `stopped`; `sentence` is the server's.
    `turned_away` is a 429 or 503 that says when to come again.
    """

    intended: float
    woken: float
    sent: float
    done: float
    status: int | None = None
    error: str | None = None
    package: str | None = None
    sentence: str = ""
    turned_away: bool = False

    @property
    def latency(self) -> float:
        """Seconds from the intended moment to the end of the answer: what a client waits."""
        return self.done - self.intended

    @property
    def service(self) -> float:
        """Seconds from the sending to the end of the answer: what a closed generator would have reported."""
        return self.done - self.sent


@dataclass
class Tally:
    """Counts and histograms of outcomes; `late` are those that were sent more than the limit after their moment.

    `latency` holds all that took time, `good` those with an answer, and `refusals` those that were turned away.
    """

    finished: int = 0
    answered: int = 0
    late: int = 0
    unsent: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    packages: Counter[str] = field(default_factory=Counter)
    latency: Histogram = field(default_factory=dict)
    service: Histogram = field(default_factory=dict)
    lag: Histogram = field(default_factory=dict)
    turned_away: int = 0
    good: Histogram = field(default_factory=dict)
    refusals: Histogram = field(default_factory=dict)

    def observe(self, outcome: Outcome, late_after: float) -> None:
        """Add one outcome."""
        if outcome.error == UNSENT:
            self.unsent += 1
            return
        self.finished += 1
        self.late += outcome.sent - outcome.intended > late_after
        self._count_answer(outcome)
        _add(self.lag, outcome.woken - outcome.intended)
        if outcome.error not in WITHOUT_LATENCY:
            _add(self.latency, outcome.latency)
            _add(self.service, outcome.service)
        if outcome.turned_away:
            self.turned_away += 1
            _add(self.refusals, outcome.latency)
        elif outcome.error is None:
            _add(self.good, outcome.latency)

    def _count_answer(self, outcome: Outcome) -> None:
        if outcome.error:
            self.errors[outcome.error] += 1
        else:
            self.answered += 1
        if outcome.package:
            self.packages[outcome.package] += 1

    @property
    def failed(self) -> int:
        """Requests without a 2xx answer, those never sent included."""
        return sum(self.errors.values()) + self.unsent

    def add(self, other: Tally) -> None:
        """Add another tally's counts to this one."""
        for name in ("finished", "answered", "late", "unsent", "turned_away"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.errors.update(other.errors)
        self.packages.update(other.packages)
        for name in ("latency", "service", "lag", "good", "refusals"):
            setattr(self, name, merge([getattr(self, name), getattr(other, name)]))

    @property
    def error_rate(self) -> float:
        """The share without a 2xx answer, 0 to 1; 0 where nothing was asked."""
        asked = self.finished + self.unsent
        return self.failed / asked if asked else 0.0

    def percentiles(self) -> dict[str, float | None]:
        """Return p50 to p99.9 of the latency in seconds, None where nothing was measured."""
        return _percentiles(self.latency)

    def to_json(self) -> dict[str, object]:
        """Return counts and percentiles (seconds) as plain values."""
        return {
            "finished": self.finished,
            "answered": self.answered,
            "late": self.late,
            "unsent": self.unsent,
            "errors": dict(self.errors),
            "packages": dict(self.packages),
            "latency": _percentiles(self.latency),
            "service": _percentiles(self.service),
            "lag": _percentiles(self.lag),
        }


def _percentiles(histogram: Histogram) -> dict[str, float | None]:
    return {name: quantile(histogram, q) for name, q in PERCENTILES.items()}


def _add(histogram: Histogram, seconds: float) -> None:
    number = bucket(seconds)
    histogram[number] = histogram.get(number, 0) + 1
