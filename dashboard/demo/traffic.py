"""Replay real inputs against a gateway and say every second how it goes."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import strftime

from dashboard.demo.replay import bodies
from testing import loadgen
from testing.loadgen import Call, Limits, Outcome, Result, Tally
from testing.loadgen.tally import CONNECTION, STOPPED, TIMEOUT

# A fault that only some inputs show comes and goes every second: it is told once.
OUTAGES = {CONNECTION, TIMEOUT, "status 503"}
Say = Callable[[str], None]
HINTS = {
    "status 401": "Give a key of this environment with --key-file; keys are issued on the environment's page.",
    "status 404": "Is the model live there?",
    CONNECTION: "Is Slipway up (make up)? These requests are counted, and it goes on.",
}


@dataclass(frozen=True)
class Replay:
    """What to send where: requests a second, for `seconds` (None: until stopped)."""

    model: str
    environment: str
    gateway: str
    rate: float
    seconds: float | None = None
    key: str = ""
    trust: ssl.SSLContext | None = None

    @property
    def url(self) -> str:
        return f"{self.gateway.rstrip('/')}/{self.environment}/v1/models/{self.model}:predict"

    def calls(self) -> Iterator[Call]:
        """Yield the requests, for ever."""
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        return (Call(self.url, body, headers) for body in bodies(self.model))


@dataclass
class Reporter:
    """Prints a line for every second, and a sentence for each new kind of trouble and for the end of an outage."""

    say: Say
    gateway: str
    troubled: set[str] = field(default_factory=set)

    def second(self, window: Tally) -> None:
        """Print one second's tally."""
        self.say(f"{strftime('%H:%M:%S')}  {line(window)}")
        if self.troubled & OUTAGES and window.answered and not window.errors:
            self.say(f"{self.gateway} answers again.")
            self.troubled -= OUTAGES

    def outcome(self, outcome: Outcome) -> None:
        """Say in words what is wrong, once for each kind; an outage again when it comes back."""
        kind = outcome.error
        if kind is None or kind == STOPPED or kind in self.troubled:
            return
        self.troubled.add(kind)
        self.say(" ".join(filter(None, [self._words(kind, outcome.sentence), HINTS.get(kind, "")])))

    def _words(self, kind: str, sentence: str) -> str:
        if kind == CONNECTION:
            return f"No gateway answers at {self.gateway}."
        if kind == TIMEOUT:
            return f"{self.gateway} gives {sentence}."
        return f"{self.gateway} answers {kind.removeprefix('status ')}: {sentence}" if sentence else f"Trouble: {kind}."


def line(tally: Tally) -> str:
    """Return one second in words and numbers: answers, errors, percentiles from the intended moment, packages."""
    times = tally.percentiles()
    shown = "  ".join(f"{name} {milliseconds(times[name])}" for name in ("p50", "p95", "p99"))
    return f"{tally.finished:>5}/s  errors {tally.failed:<4} {shown}{_packages(tally)}{_troubles(tally)}"


def summary(result: Result) -> str:
    """Return what came of it all, in a few lines."""
    totals = result.totals
    times = "  ".join(f"{name} {milliseconds(value)}" for name, value in totals.percentiles().items())
    return "\n".join(
        [
            f"{totals.finished} requests in {result.seconds:.1f} s, {totals.failed} without a good answer"
            f"{_packages(totals)}{_troubles(totals)}",
            f"latency from the intended moment of sending: {times}",
            f"sent more than 10 ms late: {totals.late}, never sent: {totals.unsent}",
        ]
    )


def milliseconds(seconds: float | None) -> str:
    """Return a duration with three significant digits, or a dash."""
    return "-" if seconds is None else f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.2f} s"


async def replay(what: Replay, reporter: Reporter, hushed: Callable[[], bool] = lambda: False) -> Result:
    """Send until the time is over, or until SIGINT or SIGTERM; hold still while a measurement asks for quiet."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, RuntimeError):  # only a main thread can have them
            loop.add_signal_handler(number, stop.set)
    found, calls = Result(), what.calls()
    while not stop.is_set() and (left := _left(what, found)) != 0:
        await _add(found, what, left, calls, reporter, stop, hushed)
        while hushed() and not stop.is_set():
            await asyncio.sleep(1)
    return found


def _left(what: Replay, found: Result) -> float | None:
    return None if what.seconds is None else max(0.0, round(what.seconds - found.seconds, 1))


async def _add(
    found: Result,
    what: Replay,
    seconds: float | None,
    calls: Iterator[Call],
    reporter: Reporter,
    stop: asyncio.Event,
    hushed: Callable[[], bool],
) -> None:
    """Send until the time is over, the end has come, or somebody asks for quiet."""
    pause = asyncio.Event()

    def second(window: Tally) -> None:
        reporter.second(window)
        if stop.is_set() or hushed():
            pause.set()

    ending = asyncio.get_running_loop().create_task(_when(stop, pause))
    part = await loadgen.run(
        loadgen.constant(what.rate, seconds),
        calls,
        limits=Limits(trust=what.trust),
        on_window=second,
        on_outcome=reporter.outcome,
        stop=pause,
    )
    ending.cancel()
    found.totals.add(part.totals)
    found.windows.extend(part.windows)
    found.seconds += part.seconds


async def _when(stop: asyncio.Event, pause: asyncio.Event) -> None:
    await stop.wait()
    pause.set()


def _packages(tally: Tally) -> str:
    counts = ", ".join(f"{number}: {count}" for number, count in sorted(tally.packages.items()))
    return f"  packages {counts}" if counts else ""


def _troubles(tally: Tally) -> str:
    kinds = [f"{kind}: {count}" for kind, count in sorted(tally.errors.items())]
    kinds += [f"unsent: {tally.unsent}"] if tally.unsent else []
    return f"  ({', '.join(kinds)})" if kinds else ""
