"""Targets of chance: how often the judge is wrong, and how many requests it needs to be right."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.judge.report import Row
from benchmarks.judge.runs import WORLDS, middle, play_all, share
from benchmarks.judge.traffic import BUSY, SMALL, SPLIT, World
from releases.analysis.planner import Fault, Step, promise
from releases.analysis.verdict import Settings

# Stated without tolerance, and without the warm-up in which latencies are left out (T3, T4: requests are counted from
# where they are evidence); and without the effect gate, which could only help (T1, T2, T3, T5).
BARE = Settings(tolerance=0, warm_up=0, odds_effect=0, slower_effect=0)
BOTH = Settings(tolerance=0, warm_up=0)
ERRORS = replace(BARE, errors_weight=1.0, latency_weight=0.0)
LATENCY = replace(BARE, errors_weight=0.0, latency_weight=1.0)
# Requests of one single look with 80 % power, from the study that set the targets.
N80 = {
    "errors .1->.5 %": {"busy": 872, "small": 974, "split": 2310},
    "errors 1->2 %": {"busy": 849, "small": 912, "split": 1826},
    "p99 +20 %": {"busy": 591, "small": 637, "split": 1297},
    "whole +10 %": {"busy": 189, "small": 199, "split": 360},
    "slowest 2 % +20 %": {"busy": 1004, "small": 1075, "split": 2133},
}
# Ratio that must be kept: with one metric (T3), and with two that share alpha and the effect gate (T4).
MUST = {
    "errors .1->.5 %": (1.8, 2.1),
    "errors 1->2 %": (1.8, 2.1),
    "p99 +20 %": (1.5, 1.75),
    "whole +10 %": (2.6, 2.8),
    "slowest 2 % +20 %": (2.4, 2.6),
}
TRAFFIC = {"busy": BUSY, "small": SMALL, "split": SPLIT}


def _rising(minute: float) -> float:
    return 0.01 + 0.02 * minute / 60


def _ramp(minute: float) -> float:
    return (0.01, 0.05, 0.25, 0.50)[min(3, int(minute // 15))]


def _incident(minute: float) -> float:
    return 0.10 if 20 <= minute < 30 else 0.01


def _slow_for_all(minute: float) -> tuple[str, str]:
    return ("incident", "incident") if 20 <= minute < 30 else ("usual", "usual")


def _day(minute: float) -> float:
    return 120 + 100 * math.sin(2 * math.pi * minute / 60)


def _late(minute: float) -> float:
    return 0.02 if minute >= 30 else 0.01


def _changed(effect: str, world: World) -> World:
    return {
        "errors .1->.5 %": replace(world, stable=0.001, candidate=0.005),
        "errors 1->2 %": replace(world, stable=0.01, candidate=0.02),
        "p99 +20 %": replace(world, kinds=("usual", "p99")),
        "whole +10 %": replace(world, kinds=("usual", "whole")),
        "slowest 2 % +20 %": replace(world, kinds=("usual", "slowest")),
    }[effect]


NULLS = {
    "busy, errors 1 %": BUSY,
    "busy, errors .1 %": replace(BUSY, stable=0.001),
    "small, errors 1 %": SMALL,
    "split, errors 1 %": SPLIT,
    "tiny: 12 requests a minute": World(0.2, 0.10),
    "busy, no error at all": replace(BUSY, stable=0.0),
    "shared incident 1 -> 10 -> 1 %, 50 % slower": replace(BUSY, stable=_incident, kinds=_slow_for_all),
    "traffic of a day in an hour": World(_day, 0.05),
    "ramp 1/5/25/50 % with shared 1 -> 3 %": World(50, _ramp, _rising),
}
NOISY = {f"noise of replicas, CV {cv}": replace(BUSY, noise=cv) for cv in (0.3, 0.5)}
# The trace, and which verdicts are right.
TRACES: dict[str, tuple[World, tuple[str, ...]]] = {
    "clean": (BUSY, ("promote",)),
    "errors 1 -> 2 %": (_changed("errors 1->2 %", BUSY), ("rollback",)),
    "p99 20 % slower, small traffic": (_changed("p99 +20 %", SMALL), ("rollback",)),
    "shared incident": (NULLS["shared incident 1 -> 10 -> 1 %, 50 % slower"], ("promote", "hold")),
    "ramp with a shared shift": (NULLS["ramp 1/5/25/50 % with shared 1 -> 3 %"], ("promote", "hold")),
    "late onset, minute 30": (replace(BUSY, candidate=_late), ("rollback",)),
    "noisy replicas, CV .5": (NOISY["noise of replicas, CV 0.5"], ("promote", "hold")),
    "tiny traffic": (NULLS["tiny: 12 requests a minute"], ("hold",)),
    "a tenth of the candidate's requests lost": (replace(BUSY, lost=0.1), ("invalid",)),
}
# Requests a second, the share of the candidate, and the fault.
PLANS = (
    (400 / 60, 0.05, Fault(0.005, 0.015), 4 * 3600),
    (20.0, 0.10, Fault(0.01, 0.02), 3600),
    (200.0, 0.05, Fault(0.001, 0.005), 3600),
    (200.0, 0.05, Fault(0.01, 0.02), 3600),
    (50.0, 0.05, Fault(0.001, 0.05), 1200),
    (20.0, 0.50, Fault(0.01, 0.03), 3600),
)


def _register() -> None:
    WORLDS.update({f"null {name}": world for name, world in (NULLS | NOISY).items()})
    WORLDS.update({f"trace {name}": world for name, (world, _) in TRACES.items()})
    for effect in N80:
        WORLDS.update({f"{effect}, {name}": _changed(effect, world) for name, world in TRAFFIC.items()})
    WORLDS["late"] = TRACES["late onset, minute 30"][0]
    for place, (rate, weight, fault, _) in enumerate(PLANS):
        WORLDS[f"plan {place}"] = World(rate, weight, fault.base, fault.raised)


_register()


def false_rollbacks(quick: bool) -> Iterator[Row]:
    """T1: A/A hours with a look every ten seconds, without the effect gate."""
    for name in NULLS:
        yield _false("T1", name, 60 if quick else 1000, 10_000)


def noisy(quick: bool) -> Iterator[Row]:
    """T2: replicas noisier than chance, and an hour of history that shows it."""
    for name in NOISY:
        yield _false("T2", name, 60 if quick else 1000, 20_000)


def _false(target: str, name: str, runs: int, seed: int) -> Row:
    found = play_all(f"null {name}", BARE, range(seed, seed + runs))
    wrong = share(found, "rollback")
    # Few runs are judged by what would be surprising at 5 %: the quick form is a smoke test, the full one the proof.
    allowed = 0.05 if runs >= 500 else 0.05 + 2.33 * math.sqrt(0.05 * 0.95 / runs)
    return Row(target, f"false rollbacks, {name} ({runs} hours)", f"{wrong:.1%}", "at most 5 %", wrong <= allowed)


def one_metric(quick: bool) -> Iterator[Row]:
    """T3: one metric at full alpha, phi measured on an hour of A/A."""
    for effect in N80:
        yield from _sizes("T3", effect, ERRORS if effect.startswith("errors") else LATENCY, MUST[effect][0], quick)


def two_metrics(quick: bool) -> Iterator[Row]:
    """T4: errors and latency share alpha, and the difference must matter."""
    for effect in N80:
        yield from _sizes("T4", effect, BOTH, MUST[effect][1], quick)


def _sizes(target: str, effect: str, settings: Settings, must: float, quick: bool) -> Iterator[Row]:
    for name, size in N80[effect].items():
        runs = 40 if quick else 400
        found = play_all(f"{effect}, {name}", settings, range(30_000, 30_000 + runs))
        ratio, detected = middle(found, "requests") / size, share(found, "rollback")
        words = f"{ratio:.2f} x {size}, {detected:.0%} found"
        good = ratio <= must and detected >= 0.95
        yield Row(target, f"{effect}, {name} ({runs} runs)", words, f"<= {must} x, >= 95 %", good)


def late_onset(quick: bool) -> Iterator[Row]:
    """T5: errors 1 -> 2 % from minute 30 on."""
    runs = play_all("late", BARE, range(50_000, 50_000 + (40 if quick else 400)))
    early = sum(run.state == "rollback" and run.minute <= 30 for run in runs) / len(runs)
    delay = middle(runs, "minute") - 30
    what = f"onset at minute 30, busy ({len(runs)} runs): median delay"
    yield Row("T5", what, f"{delay:.1f} min", "<= 6 min", delay <= 6)
    yield Row("T5", "rolled back before the onset", f"{early:.1%}", "at most 5 %", early <= 0.05)


def traces(quick: bool) -> Iterator[Row]:
    """T10: traces with seeds that nothing was tuned on."""
    for name, (_, right) in TRACES.items():
        count = 30 if quick else 200
        runs = play_all(f"trace {name}", Settings(), range(9_100_000, 9_100_000 + count))
        good = share(runs, *right)
        yield Row("T10", f"{name} ({count} seeds): {' or '.join(right)}", f"{good:.1%}", ">= 94 %", good >= 0.94)


def planner(quick: bool) -> Iterator[Row]:
    """The planner's promise, kept by the judge."""
    for place, (rate, weight, fault, seconds) in enumerate(PLANS):
        settings = Settings.planned(seconds)
        given = promise(rate, [Step(weight, seconds)], fault, settings)
        count = 50 if quick else 300
        assert given.seconds is not None
        looks = math.ceil(given.seconds / 10)
        runs = play_all(f"plan {place}", settings, range(60_000, 60_000 + count), looks)
        found = share(runs, "rollback")
        rise = f"{fault.base * 100:g} -> {fault.raised * 100:g} %"
        what = f"{rate:.3g}/s, {weight:.0%}, errors {rise}: promised in {given.seconds / 60:.0f} min"
        yield Row("planner", f"{what} ({count} runs)", f"{found:.0%} found", ">= 92 %", found >= 0.92)
