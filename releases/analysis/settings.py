"""What the judge can be told; the defaults are those that docs/judge.md gives figures for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

Drift = Literal["off", "hold", "rollback"]
# The open range of each setting that has one, and the least of the others.
LIMITS = (
    ("alpha", 1e-15, 1),
    ("routing_alpha", 1e-15, 1),
    ("error_ceiling", 0, 1),
    ("horizon", 0, math.inf),
    ("restart", 0, math.inf),
    ("window", 0, math.inf),
    ("most_error_odds", 1, math.inf),
    ("most_slow_odds", 1, math.inf),
)
# Each start time is kept, for every family.
MOST_RESTARTS = 100
NOT_BELOW = {
    "warm_up": 0,
    "tolerance": 0,
    "odds_effect": 0,
    "slower_effect": 0,
    "least_requests": 0,
    "errors_weight": 0,
    "latency_weight": 0,
    "unknown_dispersion": 1,
}


@dataclass(frozen=True)
class Settings:
    """Everything is fixed before the first batch; changing it on the way would void the guarantee.

    alpha: the chance of a false rollback of one release, over all its looks; evidence of 1 / alpha rolls back.
    routing_alpha: the same for "requests are lost or misrouted".
    check_routing: whether that makes a run invalid. Not where a key decides instead of chance: one busy customer is
        no misrouting, and of how many customers there are the counts say nothing.
    horizon: seconds after which the candidate may be promoted; the planned length of the canary.
    warm_up: seconds at the start whose latencies are left out; errors count from the first request.
    restart: seconds between the start times of the evidence; a fault that begins late is found from the one before it.
    least_requests: completions of the candidate without which it is never promoted.
    errors_weight, latency_weight: how alpha is shared between the two families.
    drift: what a shift of the predictions' distribution does. Unless it is "off", the shares are .4, .4 and .2.
    tolerance: seconds by which the candidate may be slower at every quantile.
    odds_effect: errors roll back only from this odds ratio on; 0 rolls back on any that is certain.
    slower_effect: latency rolls back only where a quantile has grown to this many times stable's; 0 as above.
    window: seconds that count as "lately" for the two effects.
    most_error_odds, most_slow_odds: promotion certifies odds ratios below these, of an error and of a slow request
        (slower than stable's 95th percentile).
    error_ceiling: or, instead of the error odds, a rate below this, or twice stable's where that is more.
    unknown_dispersion: the dispersion that is assumed where there is no history to measure it on.

    Raises ValueError, naming the field, for what makes no sense.
    """

    alpha: float = 0.05
    routing_alpha: float = 0.001
    check_routing: bool = True
    horizon: float = 3600.0
    warm_up: float = 60.0
    restart: float = 300.0
    least_requests: int = 400
    errors_weight: float = 0.5
    latency_weight: float = 0.5
    drift: Drift = "off"
    tolerance: float = 0.001
    odds_effect: float = 1.25
    slower_effect: float = 1.05
    window: float = 300.0
    most_error_odds: float = 2.0
    most_slow_odds: float = 1.5
    error_ceiling: float = 0.01
    unknown_dispersion: float = 2.0

    def __post_init__(self) -> None:
        for name, low, high in LIMITS:
            if not low < getattr(self, name) < high:
                raise ValueError(f"{name} must lie between {low:g} and {high:g}, not {getattr(self, name):g}.")
        for name in NOT_BELOW:
            if not NOT_BELOW[name] <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be at least {NOT_BELOW[name]}, not {getattr(self, name):g}.")
        if self.horizon > MOST_RESTARTS * self.restart:
            raise ValueError(f"restart must be at least {self.horizon / MOST_RESTARTS:g}, a part of the horizon.")
        if abs(self.errors_weight + self.latency_weight - 1) > 1e-9:
            raise ValueError("errors_weight and latency_weight must be shares that add up to 1.")
        if self.drift not in ("off", "hold", "rollback"):
            raise ValueError(f"drift is off, hold or rollback, not {self.drift!r}.")

    @property
    def needed(self) -> float:
        """Return the evidence that decides: 20 at an alpha of 5 %."""
        return 1 / self.alpha

    @property
    def restarts(self) -> int:
        """Return how many start times follow the first; planned, so that their shares are known beforehand."""
        return max(0, math.ceil(self.horizon / self.restart - 1e-9) - 1)

    def share(self, metric: str) -> float:
        """Return the part of alpha that a metric gets: errors, latency or drift."""
        if metric == "drift":
            return 0.0 if self.drift == "off" else 0.2
        left = 1 - self.share("drift")
        return left * (self.errors_weight if metric == "errors" else self.latency_weight)

    @classmethod
    def planned(cls, horizon: float, **changes: Any) -> Settings:
        """Return the settings of a canary of this length: start times and warm-up in proportion, and never many.

        An hour has a start every five minutes; a longer canary two dozen in all, so that its state stays small.
        """
        restart = max(min(cls.restart, horizon / 12), horizon / 24)
        return cls(horizon=horizon, warm_up=min(cls.warm_up, horizon / 20), restart=restart, **changes)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Settings:
        """Read what `to_json` wrote; raises ValueError for a field that there is not."""
        if unknown := set(data) - {field.name for field in fields(cls)}:
            raise ValueError(f"There is no setting {sorted(unknown)[0]!r}.")
        return cls(**data)
