"""Load: an open workload at the rate that production has at its worst, beside the live package in the same run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from releases.models import Package, Route
from releases.wants import PRODUCTION
from serving.metrics.histogram import quantile
from testing.loadgen import Call, lag
from testing.suites import busiest, measuring, quiet, rows
from testing.suites.base import Figure, LeavesNothing, Report, Stop, Subject
from testing.suites.measuring import Arm, Stream
from testing.suites.settings import choice, number
from testing.suites.shapes import SHAPES

TRIES = 4  # the first, and up to three more when the generator itself was disturbed
SLICES = 4  # of each package, taken in turn, so that both meet the same disturbances
WARM_UP = 1.0
PERCENTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}


@dataclass(frozen=True)
class Settings:
    """What can be set for each model."""

    rate: float = number(
        0.0, 0.0, 20_000, "req/s", "requests a second; 0 takes production's busiest minute times the factor"
    )
    factor: float = number(1.5, 0.1, 100, "", "how many times the busiest minute")
    least_rate: float = number(20.0, 0.1, 20_000, "req/s", "what is sent at least, also where production had no calls")
    seconds: float = number(20.0, 1, 3600, "s", "how long each package is measured")
    shape: str = choice("constant", tuple(SHAPES), "how the rate goes over the time")
    seed: int = number(1, 0, 1_000_000, "", "seed of the shape poisson")
    rows: str = choice(
        "example", rows.SOURCES, "what is sent: the example, load.json of the package, or recorded requests"
    )
    limit_p50_ms: float = number(250.0, 0.1, 60_000, "ms", "half of the answers must be in within this")
    limit_p99_ms: float = number(1000.0, 0.1, 60_000, "ms", "99 % of the answers must be in within this")
    limit_errors: float = number(0.1, 0.0, 100, "%", "share of requests that may have no good answer")
    slower: float = number(0.0, 0.0, 100, "", "how many times the live package's p95 it may take; 0 only tells it")


class Load(LeavesNothing):
    """Counts only when the generator itself kept its schedule; else it is tried again, and in the end invalid."""

    kind, label = "load", "Load"
    summary = (
        "An open workload at production's busiest rate: what clients wait, errors, throughput, beside the live package."
    )
    queue, seconds, expected = "load", 4 * 3600.0, 5
    Settings = Settings

    def run(self, subject: Subject, report: Report) -> None:
        settings = subject.settings
        rate, words = busiest.rate(subject.package.model, settings.rate, settings.factor, settings.least_rate)
        report.say(f"Sends {words}; {settings.shape}, rows from: {settings.rows}.")
        ours, live = measured(subject, report, rate)
        report.charts = charts(subject, ours, live)
        report.figures += figures(settings, ours, live)
        _judge(subject, report, rate, ours)
        _compare(subject, report, ours, live)


def measured(subject: Subject, report: Report, rate: float) -> tuple[Arm, Arm | None]:
    """Measure until the generator kept its schedule; raises Stop (invalid) when it never did."""
    target = subject.settings.limit_p50_ms / measuring.MS
    for turn in range(TRIES):
        with quiet.please(subject.environment.name) if turn else nullcontext():
            busy = quiet.Busy()
            ours, live = _once(subject, report, rate, turn)
        reason = lag.disturbed(ours.tally, target)
        if not reason:
            return ours, live
        report.charts = charts(subject, ours, live)
        words = f"{reason} {busy.said()}"
        report.say(f"Try {turn + 1} of {TRIES} counts for nothing. {words}")
    raise Stop("invalid", f"{TRIES} tries count for nothing. {words}")


def _once(subject: Subject, report: Report, rate: float, turn: int) -> tuple[Arm, Arm | None]:
    settings, rival = subject.settings, _live(subject)
    report.begin(f"measuring at {rate:.3g} requests a second{f', try {turn + 1}' if turn else ''}")
    _warm_up(subject, report, rate, rival)
    ours = Arm(f"package {subject.package.number}")
    live = Arm(f"package {rival.number}, live in {PRODUCTION}") if rival else None
    mine, theirs = _calls(subject), _calls(subject, rival) if rival else None
    if live is None or theirs is None:
        moments = SHAPES[settings.shape](rate, settings.seconds, settings.seed)
        measuring.send(report, Stream(ours, moments, mine))
        return ours, None
    each = settings.seconds / SLICES
    for part in range(SLICES):
        order = [(ours, mine), (live, theirs)]
        for arm, calls in order if part % 2 == 0 else order[::-1]:
            moments = SHAPES[settings.shape](rate, each, settings.seed + part)
            measuring.send(report, Stream(arm, moments, calls, begin=part * each))
    return ours, live


def _warm_up(subject: Subject, report: Report, rate: float, rival: Package | None) -> None:
    """The first requests open connections; what they take is no figure of the package's."""
    for package in [None, rival] if rival else [None]:
        moments = SHAPES["constant"](rate, WARM_UP, 0)
        measuring.send(report, Stream(Arm("warm-up"), moments, _calls(subject, package)))


def _calls(subject: Subject, pin: Package | None = None) -> Iterator[Call]:
    return rows.calls(subject.package, subject.environment, subject.settings.rows, pin or subject.package)


def _live(subject: Subject) -> Package | None:
    """The package that is live in production, where the tested environment has it loaded, too."""
    routes = Route.objects.filter(model=subject.package.model).select_related("stable", "previous", "environment")
    by_name = {route.environment.name: route for route in routes}
    live = by_name[PRODUCTION].stable if PRODUCTION in by_name else None
    here = by_name.get(subject.environment.name)
    loaded = [here.stable_id, here.previous_id] if here else []
    return live if live and live.pk != subject.package.pk and live.pk in loaded else None


def figures(settings: Settings, ours: Arm, live: Arm | None) -> list[Figure]:
    limits = {"p50": settings.limit_p50_ms, "p99": settings.limit_p99_ms}
    found = [Figure(name, ours.at(q) or 0.0, "ms", limits.get(name)) for name, q in PERCENTILES.items()]
    service = quantile(ours.tally.service, 0.99)
    found.append(Figure("service p99", (service or 0.0) * measuring.MS, "ms"))
    found.append(Figure("errors", ours.tally.error_rate * 100, "%", settings.limit_errors))
    found += [
        Figure("throughput", ours.throughput, "req/s"),
        Figure("late", ours.tally.late),
        Figure("unsent", ours.tally.unsent),
    ]
    found.append(Figure("send lag p99", (quantile(ours.tally.lag, 0.99) or 0.0) * measuring.MS, "ms"))
    if live:
        found += [Figure(f"live {name}", live.at(q) or 0.0, "ms") for name, q in PERCENTILES.items()]
    return found


def charts(subject: Subject, ours: Arm, live: Arm | None) -> dict[str, Any]:
    """Return what the page of the run draws."""
    arms = [arm for arm in (ours, live) if arm]
    limits = {"p50": subject.settings.limit_p50_ms, "p99": subject.settings.limit_p99_ms}
    shown = [{"name": arm.name, "latency": measuring.drawn(arm.tally), "line": arm.line} for arm in arms]
    return {"arms": shown, "limits": limits}


def _judge(subject: Subject, report: Report, rate: float, ours: Arm) -> None:
    settings, tally = subject.settings, ours.tally
    for name, limit in (("p50", settings.limit_p50_ms), ("p99", settings.limit_p99_ms)):
        with report.case(f"{name} is within its limit") as case:
            value = ours.at(PERCENTILES[name])
            case.check(value is not None, "Nothing was answered.")
            case.check((value or 0) <= limit, f"{name} is {value:.1f} ms; {limit:g} ms are allowed.")
            case.evidence = f"{value:.1f} ms of {limit:g} ms at {rate:.3g} requests a second"
    with report.case("errors are within their limit") as case:
        asked = tally.finished + tally.unsent
        low, high = measuring.interval(tally.failed, asked)
        words = f"{tally.error_rate:.2%} of {asked} requests (95 % interval {low:.2%} to {high:.2%})"
        case.check(
            tally.error_rate * 100 <= settings.limit_errors,
            f"{words}; {settings.limit_errors:g} % are allowed. {_kinds(ours)}",
        )
        case.evidence = words
    with report.case("every request was answered by this package") as case:
        others = {name: count for name, count in tally.packages.items() if name != str(subject.package.number)}
        case.check(not others, f"Others answered, too: {others}.")
        case.check(tally.answered > 0, f"None was answered. {_kinds(ours)}")
        case.evidence = f"{tally.answered} answers"


def _kinds(arm: Arm) -> str:
    kinds = [f"{kind}: {count}" for kind, count in sorted(arm.tally.errors.items())]
    return ", ".join([*kinds, *([f"never sent: {arm.tally.unsent}"] if arm.tally.unsent else [])])


def _compare(subject: Subject, report: Report, ours: Arm, live: Arm | None) -> None:
    name, most = "it is not slower than the live package", subject.settings.slower
    if live is None:
        why = f"No other package that is live in {PRODUCTION} is loaded in {subject.environment.name}."
        report.not_offered(name, why)
        return
    with report.case(name) as case:
        mine, theirs = ours.at(0.95) or 0.0, live.at(0.95) or 0.0
        times = mine / theirs if theirs else 0.0
        words = f"p95 {mine:.1f} ms against {theirs:.1f} ms: {times:.2f} times"
        case.check(not most or times <= most, f"{words}; {most:g} times are allowed.")
        case.evidence = words if most else f"{words}; no limit is set"
