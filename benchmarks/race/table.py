"""What the race showed, as tables: every case, and every goal with what was reached."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.race.rounds import Case, Result

Results = Mapping[Case, Result]
# A goal's figure; None when what it needs was not measured.
Figure = Callable[["Seen"], float | None]


@dataclass(frozen=True)
class Seen:
    """The results, which of the servers are frameworks, and figures that are no rounds (seconds, megabytes)."""

    results: Results
    frameworks: frozenset[str]
    figures: Mapping[str, float]

    def rate(self, server: str, model: str, connections: int) -> float | None:
        return self._middle(server, model, connections, "rate")

    def p50(self, server: str, model: str, connections: int) -> float | None:
        return self._middle(server, model, connections, "p50")

    def p99(self, server: str, model: str, connections: int) -> float | None:
        return self._middle(server, model, connections, "p99")

    def best(self, name: str, model: str, connections: int) -> tuple[float, str] | None:
        """The best framework's figure and name: the highest rate, the lowest latency."""
        found = [
            (result.middle(name), case.server)
            for case, result in self.results.items()
            if (case.model, case.connections) == (model, connections) and case.server in self.frameworks
        ]
        return (max(found) if name == "rate" else min(found)) if found else None

    def _middle(self, server: str, model: str, connections: int, name: str) -> float | None:
        found = self.results.get(Case(server, model, connections))
        return found.middle(name) if found else None


@dataclass(frozen=True)
class Goal:
    """One line of the contract; `most`: the figure may not exceed the goal, else it must reach it."""

    words: str
    must: float
    aim: float
    figure: Figure
    most: bool = False
    unit: str = "×"

    def met(self, value: float) -> bool:
        return value <= self.must if self.most else value >= self.must


def over(value: float | None, other: float | None) -> float | None:
    return value / other if value is not None and other else None


def goals(seen: Seen, wanted: Iterable[Goal]) -> list[str]:
    """Return the goals as the lines of a Markdown table; what was not measured is left out."""
    lines = ["| Goal | Must | Aim | Reached | Met |", "|---|--:|--:|--:|:-:|"]
    for goal in wanted:
        if (value := goal.figure(seen)) is not None:
            sign = "≤" if goal.most else "≥"
            must, aim, reached = (f"{number:.3g} {goal.unit}" for number in (goal.must, goal.aim, value))
            lines.append(f"| {goal.words} | {sign} {must} | {aim} | {reached} | {'yes' if goal.met(value) else 'NO'} |")
    return lines


def cases(results: Results) -> list[str]:
    """Return every case as the lines of a Markdown table, the fastest of each model and count first."""
    lines = [
        "| Server | Model | Connections | Requests a second | p50 ms | p99 ms | CPU µs a request | Errors |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    order = sorted(results, key=lambda case: (case.model, case.connections, -results[case].middle("rate")))
    return lines + [_case(case, results[case]) for case in order]


def _case(case: Case, result: Result) -> str:
    low, high = result.span("rate")
    best, worst = result.span("p99")
    rate = f"{result.middle('rate'):,.0f} ({low:,.0f}–{high:,.0f})"
    p99 = f"{result.middle('p99'):.2f} ({best:.2f}–{worst:.2f})"
    middle = f"{result.middle('p50'):.2f} | {p99} | {result.middle('cost'):.1f} | {result.errors}"
    return f"| {case.server} | {case.model} | {case.connections} | {rate} | {middle} |"


def best(seen: Seen, asked: Sequence[tuple[str, int]]) -> list[str]:
    """Return a sentence for each model and number of connections: which framework was the best."""
    found = [(model, count, seen.best("rate", model, count)) for model, count in asked]
    return [f"Best framework, {model}, {count} connections: {top[1]}." for model, count, top in found if top]
