"""Send a schedule at an environment, and keep what came: tallies for each package, and a line for every second."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from scipy import stats

from serving.metrics.histogram import quantile
from testing import loadgen, target
from testing.loadgen import Call, Limits, Result, Tally
from testing.suites.base import Report, Stop

MS = 1000
TIMEOUT = 10.0


@dataclass
class Arm:
    """All that one package answered, and how it went second by second."""

    name: str
    tally: Tally = field(default_factory=Tally)
    seconds: float = 0.0
    line: list[dict[str, Any]] = field(default_factory=list)

    @property
    def throughput(self) -> float:
        """Good answers a second."""
        return self.tally.answered / self.seconds if self.seconds else 0.0

    def at(self, q: float) -> float | None:
        """Return the q-quantile of the latency in milliseconds; None where nothing was measured."""
        found = quantile(self.tally.latency, q)
        return None if found is None else found * MS


@dataclass
class Stream:
    """One schedule into one arm; `begin` is the second at which its line goes on."""

    arm: Arm
    moments: Iterator[float]
    calls: Iterator[Call]
    begin: float = 0.0


def send(report: Report, *streams: Stream, timeout: float = TIMEOUT) -> list[Tally]:
    """Send all streams at once, each into its arm. Raises Stop when the run is not to go on."""
    halted: list[Stop] = []

    async def work() -> list[Result]:
        stop = asyncio.Event()

        def look() -> None:
            try:
                report.look()
            except Stop as asked:
                halted.append(asked)
                stop.set()

        return await asyncio.gather(*(_send(stream, timeout, stop, look) for stream in streams))

    found = loadgen.drive(work())
    if halted:
        raise halted[0]
    for stream, result in zip(streams, found, strict=True):
        stream.arm.tally.add(result.totals)
        stream.arm.seconds += result.seconds
    return [result.totals for result in found]


async def _send(stream: Stream, timeout: float, stop: asyncio.Event, look: Callable[[], None]) -> Result:
    seconds = itertools.count()

    def second(window: Tally) -> None:
        stream.arm.line.append({"at": stream.begin + next(seconds), **point(window)})
        look()

    limits = Limits(trust=target.trust(), timeout=timeout)
    return await loadgen.run(stream.moments, stream.calls, limits=limits, on_window=second, stop=stop)


def point(window: Tally) -> dict[str, Any]:
    """Return one second as a chart draws it; latencies in milliseconds."""
    found = {name: quantile(window.latency, q) for name, q in (("p50", 0.5), ("p99", 0.99))}
    shown = {name: None if value is None else round(value * MS, 3) for name, value in found.items()}
    return {"asked": window.finished + window.unsent, "failed": window.failed, **shown}


def interval(failed: int, asked: int) -> tuple[float, float]:
    """Return the 95 % interval of a rate (Clopper and Pearson, Biometrika 26, 1934); 0 to 1 where nothing was asked."""
    if not asked:
        return 0.0, 1.0
    found = stats.binomtest(failed, asked).proportion_ci(0.95, method="exact")
    return float(found.low), float(found.high)


def drawn(tally: Tally) -> dict[str, int]:
    """Return the latencies as the page draws them: {bucket: count}."""
    return {str(number): count for number, count in sorted(tally.latency.items())}
