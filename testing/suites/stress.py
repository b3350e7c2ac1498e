"""Stress: up to the rate at which a limit breaks, then beyond it: does the gateway refuse fast, and recover?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from releases.models import Package, Route
from serving.metrics.histogram import quantile
from testing import loadgen
from testing.loadgen import Call, Tally, lag
from testing.suites import busiest, knee, measuring, memory, rows
from testing.suites.base import Figure, LeavesNothing, Report, Stop, Subject
from testing.suites.knee import Knee, Step
from testing.suites.measuring import MS, Arm, Stream
from testing.suites.settings import choice, number

GENERATOR = "the generator"
NEIGHBOUR_RATE = 5.0
CALM_SECONDS, STORM_SECONDS = 3.0, 6.0
PAUSE = 0.2
KEEPS_UP = 0.96  # share of the rate at which answers must come


@dataclass(frozen=True)
class Settings:
    """What can be set for each model."""

    start_rate: float = number(20.0, 1, 20_000, "req/s", "where the rate begins")
    grow: float = number(1.6, 1.1, 4, "", "how many times the rate before each step has")
    most_rate: float = number(3000.0, 1, 50_000, "req/s", "where it ends when nothing breaks")
    step_seconds: float = number(3.0, 1, 120, "s", "how long each rate is held")
    repeats: int = number(3, 0, 9, "", "how often the knee is tried again")
    limit_p99_ms: float = number(500.0, 0.1, 60_000, "ms", "99 % of the answers must be in within this")
    limit_errors: float = number(1.0, 0.0, 100, "%", "share of requests that may have no good answer")
    rows: str = choice("example", rows.SOURCES, "what is sent: the example, load.json, or recorded requests")
    headroom: float = number(0.7, 0.1, 1.0, "", "share of the capacity that is called safe")
    least_rate: float = number(20.0, 0.0, 20_000, "req/s", "what must be safe at least")
    factor: float = number(1.5, 0.1, 100, "", "how many times production's busiest minute must be safe")
    storm: float = number(2.0, 1.1, 10, "", "how many times the capacity the storm sends")
    refuse_ms: float = number(1000.0, 1, 60_000, "ms", "99 % of the refusals must come within this")
    wait_ms: float = number(5000.0, 1, 60_000, "ms", "99 % of the answers in the storm must come within this")
    neighbour_ms: float = number(500.0, 1, 60_000, "ms", "what other models may take in the storm")
    recover_seconds: float = number(10.0, 1, 120, "s", "how soon after the storm all is as before")
    memory_mb: float = number(256.0, 1, 100_000, "MiB", "what the gateway may keep of the memory it took")


class Stress(LeavesNothing):
    """Every limit is the model's; the knee is found by halving and confirmed by repeats."""

    kind, label = "stress", "Stress"
    summary = "Up to the rate at which a limit breaks, and beyond: capacity, fast refusals, neighbours, recovery."
    queue, seconds, expected = "load", 2 * 3600.0, 7
    Settings = Settings

    def run(self, subject: Subject, report: Report) -> None:
        settings = subject.settings
        found = find(settings, report, _calls(subject))
        safe = found.capacity * settings.headroom
        report.charts = {"steps": [asdict(step) for step in found.steps], "limit": settings.limit_p99_ms, "safe": safe}
        report.figures += [Figure("capacity", found.capacity, "req/s"), Figure("safe rate", safe, "req/s")]
        _enough(subject, report, found, safe)
        if found.capacity and found.broke and found.broke != GENERATOR:
            _storm(subject, report, found.capacity, safe)
        else:
            why = "Nothing broke up to the highest rate." if found.capacity else "No rate held."
            report.not_offered("beyond it calls are refused fast", f"{why} So there is no beyond.")


def find(settings: Settings, report: Report, calls: Iterator[Call]) -> Knee:
    """Return the knee of what the calls ask; raises Stop when the run is not to go on."""
    measuring.send(report, Stream(Arm("warm-up"), loadgen.constant(settings.start_rate, 1.0), calls))

    def probe(rate: float) -> Step:
        report.begin(f"trying {rate:.4g} requests a second")
        step = _hold(settings, report, calls, rate)
        said = f"{step.broke} broke" if step.broke else "held"
        report.say(f"{rate:.4g} requests a second: {said}, {_said(step.p99)} p99, {step.failed:.2%} failed")
        if step.broke:
            _settle(settings, report, calls)
        return step

    return knee.search(probe, settings.start_rate, settings.grow, settings.most_rate, settings.repeats)


def _hold(settings: Settings, report: Report, calls: Iterator[Call], rate: float) -> Step:
    """Hold a rate; what broke while the generator lagged is held once more before it is believed.

    A rate that held its limits in spite of a lag held them: the lag is a part of every latency.
    """
    for _ in range(2):
        arm = Arm("step")
        measuring.send(report, Stream(arm, loadgen.constant(rate, settings.step_seconds), calls))
        broke, spoiled = broken(arm, settings) or behind(arm, rate), lag.disturbed(arm.tally)
        if not (broke and spoiled):
            break
    if broke and spoiled and not by_itself(arm, settings):
        broke = GENERATOR
    return Step(rate, broke, arm.throughput, arm.at(0.5), arm.at(0.99), arm.tally.error_rate)


def by_itself(arm: Arm, settings: Settings) -> bool:
    """Answer whether the server gave way whatever the generator did: by its errors, or by its own time alone."""
    own = quantile(arm.tally.service, 0.99)
    too_many = arm.tally.error_rate * 100 > settings.limit_errors
    return too_many or (own is not None and own * MS > settings.limit_p99_ms)


def broken(arm: Arm, settings: Settings) -> str:
    """Return what gave way, in the order in which clients would notice; "" where every limit held."""
    tally = arm.tally
    if tally.error_rate * 100 > settings.limit_errors:
        return "the gateway's own limit" if tally.turned_away > tally.failed / 2 else "the error rate"
    # From what the generator sent: its own lag is not the server's.
    late = quantile(tally.good, 0.99)
    return "p99" if late is None or late * MS > settings.limit_p99_ms else ""


def behind(arm: Arm, rate: float) -> str:
    """Say whether answers came more slowly than they were asked for: a queue that still grows breaks limits later.

    What even the quickest answers take is no falling behind.
    """
    least = quantile(arm.tally.good, 0.02) or 0.0
    answered = arm.tally.answered / max(1e-9, arm.seconds - least)
    return "the throughput" if answered < KEEPS_UP * rate else ""


def _settle(settings: Settings, report: Report, calls: Iterator[Call]) -> float | None:
    """Wait until a light rate is answered as it should be; the seconds it took, None where it never was."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) <= settings.recover_seconds:
        arm = Arm("light")
        measuring.send(report, Stream(arm, loadgen.constant(10.0, 0.5), calls), timeout=2.0)
        if not broken(arm, settings):
            return passed
        time.sleep(PAUSE)
    return None


def _enough(subject: Subject, report: Report, found: Knee, safe: float) -> None:
    settings = subject.settings
    needed, words = busiest.rate(subject.package.model, 0.0, settings.factor, settings.least_rate)
    with report.case("the capacity was found") as case:
        case.check(found.capacity > 0, f"Even the lowest rate broke {found.broke}.")
        bound = "is at least" if found.broke in ("", GENERATOR) else "is"
        gave = f"{found.broke} gave way first" if found.broke else f"nothing broke up to {settings.most_rate:g}"
        case.evidence = f"It {bound} {found.capacity:.4g} requests a second; {gave}; {found.confirmed} repeats held."
    with report.case("what is safe is enough") as case:
        case.check(safe >= needed, f"{safe:.4g} requests a second are safe. Needed: {words}.")
        case.evidence = f"{safe:.4g} requests a second are safe. Needed: {words}."


def _storm(subject: Subject, report: Report, capacity: float, safe: float) -> None:
    settings, neighbour = subject.settings, _neighbour(subject)
    before = memory.of(subject.environment.name)
    report.begin("the calm before the storm")
    calm = _neighbours(subject, report, neighbour, None, CALM_SECONDS)[1]
    report.begin(f"a storm of {capacity * settings.storm:.4g} requests a second")
    storm, beside = _neighbours(subject, report, neighbour, capacity * settings.storm, STORM_SECONDS)
    report.begin("after the storm")
    recovered = _settle(settings, report, _calls(subject))
    report.charts["storm"] = storm.line
    _refused_fast(subject, report, storm.tally)
    _others(subject, report, neighbour, calm, beside)
    with report.case(f"it recovers within {settings.recover_seconds:g} s") as case:
        case.check(recovered is not None, f"It did not answer as before within {settings.recover_seconds:g} s.")
        report.figures.append(Figure("recovery", recovered or 0.0, "s", settings.recover_seconds))
        case.evidence = f"after {recovered or 0:.1f} s"
    memory.comes_back(report, subject.environment.name, before, settings.memory_mb)


def _refused_fast(subject: Subject, report: Report, tally: Tally) -> None:
    settings = subject.settings
    with report.case("beyond it calls are refused fast") as case:
        others = {kind: count for kind, count in tally.errors.items() if kind not in ("status 429", "status 503")}
        refused, good = quantile(tally.refusals, 0.99), quantile(tally.good, 0.99)
        words = f"{tally.answered} answered, {tally.turned_away} turned away with Retry-After"
        case.check(not others, f"{words}, and {others}.")
        silent = tally.errors.total() - tally.turned_away
        case.check(silent <= 0, f"{words}, {silent} refused without Retry-After.")
        case.check(refused is None or refused * MS <= settings.refuse_ms, f"{words}: 99 % within {_said_s(refused)}.")
        waited = f"99 % of the answers within {_said_s(good)}"
        case.check(good is not None and good * MS <= settings.wait_ms, f"{words}; {waited}: it queues too long.")
        quickly = f", 99 % of them within {_said_s(refused)}" if refused is not None else ""
        case.evidence = f"{words}{quickly}; {waited}"
    if refused is not None:
        report.figures.append(Figure("refusal p99", refused * MS, "ms", settings.refuse_ms))


def _others(subject: Subject, report: Report, neighbour: Package | None, calm: Arm | None, storm: Arm | None) -> None:
    name, limit = "other models keep their latency", subject.settings.neighbour_ms
    if neighbour is None or calm is None or storm is None:
        report.not_offered(name, f"No other model is live in {subject.environment.name}.")
        return
    with report.case(name) as case:
        before, during = calm.at(0.9), storm.at(0.9)
        words = f"{neighbour.model.name}: p90 {_said(before)} before, {_said(during)} in the storm"
        case.check(during is not None and during <= limit, f"{words}; {limit:g} ms are allowed.")
        case.check(storm.tally.error_rate <= 0.05, f"{words}; {storm.tally.error_rate:.0%} of its calls failed.")
        case.evidence = words


def _neighbours(
    subject: Subject, report: Report, neighbour: Package | None, rate: float | None, seconds: float
) -> tuple[Arm, Arm | None]:
    """Ask the neighbour gently, and us at the rate at the same time."""
    ours, theirs = Arm(f"package {subject.package.number}"), Arm(neighbour.model.name) if neighbour else None
    streams = [Stream(ours, loadgen.constant(rate, seconds), _calls(subject))] if rate else []
    if neighbour and theirs:
        calls = rows.calls(neighbour, subject.environment, "example")
        streams.append(Stream(theirs, loadgen.constant(NEIGHBOUR_RATE, seconds), calls))
    if streams:
        measuring.send(report, *streams)
    return ours, theirs


def _neighbour(subject: Subject) -> Package | None:
    """Another model that is live there; one whose example cannot be asked is no neighbour."""
    routes = Route.objects.filter(environment=subject.environment).exclude(model=subject.package.model)
    for route in routes.exclude(stable=None).select_related("stable__model"):
        try:
            if route.stable and rows.bodies(route.stable, "example"):
                return route.stable
        except Stop:
            continue
    return None


def _calls(subject: Subject) -> Iterator[Call]:
    return rows.calls(subject.package, subject.environment, subject.settings.rows)


def _said(milliseconds: float | None) -> str:
    return "no" if milliseconds is None else f"{milliseconds:.1f} ms"


def _said_s(seconds: float | None) -> str:
    return _said(None if seconds is None else seconds * MS)
