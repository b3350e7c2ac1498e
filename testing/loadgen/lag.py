"""Did the generator itself keep to its schedule? What it did not send in time says nothing about the server (pure)."""

from __future__ import annotations

from serving.metrics.histogram import quantile
from testing.loadgen.tally import Tally

LEAST_SECONDS, SHARE = 0.005, 0.01


def allowed(target: float | None = None) -> float:
    """Return the lag in seconds that 99 % of the requests may have: 5 ms, or 1 % of the median that is asked for."""
    return max(LEAST_SECONDS, SHARE * (target or 0.0))


def disturbed(tally: Tally, target: float | None = None) -> str:
    """Return why the measurement counts for nothing, an empty text where it counts.

    The lag is from the moment at which a request was due to the one at which the generator turned to it; what it then
    waits for a free connection is the server's doing.
    """
    lag = quantile(tally.lag, 0.99)
    if lag is None:
        return "Nothing was sent."
    most = allowed(target)
    if lag > most:
        words = f"99 % were sent within {lag * 1000:.1f} ms of their moment; {most * 1000:.1f} ms are allowed."
        return f"The generator lagged: {words}"
    return ""
