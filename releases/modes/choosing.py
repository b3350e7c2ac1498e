"""Which serving mode is the simplest that serves a need (pure): batch before stream before REST before the device."""

from __future__ import annotations

from dataclasses import dataclass, field

BATCH, STREAM, REST, EDGE = "batch", "stream", "rest", "edge"
NAMES = {BATCH: "Batch", STREAM: "Stream", REST: "Real-time REST", EDGE: "Edge"}
# What people call the latency that they accept, in seconds.
LATENCIES = {"hour": 3600.0, "minute": 60.0, "second": 1.0, "millisecond": 0.001}
FILE, EVENTS, CALLS = "file", "events", "calls"
ARRIVALS = {
    FILE: "as a file or a table, now and then",
    EVENTS: "one after the other, and nobody waits for each",
    CALLS: "as calls of somebody who waits for the answer",
}
# What a network adds to a call that crosses a room; a limit under it can only be met on the device.
NETWORK_SECONDS = 0.0005
# Of the accepted time a batch may take this part: a file also has to come and to wait for its turn.
PART = 0.5


@dataclass(frozen=True)
class Need:
    """What is asked: the latency by its name, how inputs arrive, how many rows a file has, whether one is online."""

    latency: str = "second"
    arrival: str = CALLS
    rows: int | None = None
    online: bool = True

    @property
    def seconds(self) -> float:
        return LATENCIES[self.latency]


@dataclass(frozen=True)
class Measured:
    """What the package did on this machine; None where it was never seen. Times in seconds.

    `no_bundle` says why no device can run it, and is empty where one can.
    """

    rest_p50: float | None = None
    rest_p99: float | None = None
    batch_rate: float | None = None
    stream_lag: float | None = None
    no_bundle: str = ""


@dataclass(frozen=True)
class Advice:
    """The mode, why it and none that is simpler, and what is against it."""

    mode: str
    reasons: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return NAMES[self.mode]


def advise(need: Need, measured: Measured) -> Advice:
    """Return the simplest mode that serves; every reason is a sentence for people."""
    if not need.online:
        return Advice(
            EDGE, ["The client is not always online, so the model must be where it is."], _no_bundle(measured)
        )
    if need.arrival == CALLS:
        return _calls(need, measured)
    fits, why = _batch(need, measured)
    if fits:
        return Advice(BATCH, [why])
    if need.seconds >= 1.0:
        reasons = [why, "A stream keeps what comes until it is answered, and nobody waits on a line."]
        return Advice(STREAM, reasons, _late(need, measured.stream_lag, "A record of the stream has waited"))
    reasons = [why, "A stream takes about a second to have a record on disk, which is too long here."]
    return Advice(REST, reasons, _late(need, measured.rest_p99, "99 of 100 calls took up to"))


def _calls(need: Need, measured: Measured) -> Advice:
    reasons = ["Somebody waits for each answer, so neither a file nor a stream will do."]
    if need.seconds >= 1.0:
        return Advice(REST, reasons, _late(need, measured.rest_p99, "99 of 100 calls took up to"))
    if measured.rest_p99 is not None and measured.rest_p99 + NETWORK_SECONDS > need.seconds:
        words = f"99 of 100 calls took up to {_time(measured.rest_p99)} here, and a network adds to it."
        return Advice(EDGE, [*reasons, words, "On the device there is no network."], _no_bundle(measured))
    if measured.rest_p99 is None:
        return Advice(REST, reasons, ["It was not called yet, so nobody knows whether it is quick enough."])
    words = f"99 of 100 calls took up to {_time(measured.rest_p99)} here."
    return Advice(REST, [*reasons, words], ["A network adds its own time, which only the client can measure."])


def _batch(need: Need, measured: Measured) -> tuple[bool, str]:
    """Return whether a batch serves, and the sentence that says why."""
    if need.seconds >= LATENCIES["hour"] and need.rows is None:
        return True, "An hour is accepted: a batch is the simplest of all, and needs nothing that runs meanwhile."
    if need.arrival == EVENTS and need.seconds < LATENCIES["hour"]:
        return False, "Inputs come one after the other, and an hour is too long to collect them in a file."
    if need.rows is None or measured.batch_rate is None:
        return False, "How long a file would take here is not known."
    takes = need.rows / measured.batch_rate
    words = f"{need.rows:,} rows take about {_time(takes)} here, at {measured.batch_rate:,.0f} rows a second"
    if takes <= PART * need.seconds:
        return True, f"{words}: a batch serves, and is the simplest of all."
    return False, f"{words}: too long for a batch."


def _no_bundle(measured: Measured) -> list[str]:
    return [f"No bundle can be made of this package. {measured.no_bundle}"] if measured.no_bundle else []


def _late(need: Need, seconds: float | None, words: str) -> list[str]:
    if seconds is None:
        return ["That was not measured here yet."]
    return [f"{words} {_time(seconds)} here, which is more than is accepted."] if seconds > need.seconds else []


def _time(seconds: float) -> str:
    if seconds >= 90:
        return f"{seconds / 60:.0f} min"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"
