"""How one environment differs from another, row by row, each with a word why it matters.

A test in a place that is not like production proves little, so whatever differs stands first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from releases.models import Environment, Route
from releases.queries.environments import STRATEGY_WORDS
from serving.exchange import Heartbeat

NONE = "none"


@dataclass(frozen=True)
class Line:
    """One thing compared, in words on both sides."""

    group: str
    name: str
    left: str
    right: str
    why: str

    @property
    def same(self) -> bool:
        return self.left == self.right


def compare(left: Environment, right: Environment, beats: list[Heartbeat] | None) -> list[Line]:
    """Return settings, gates, limits, gateways, library versions and live packages of both, side by side."""
    return [*_settings(left, right), *_gateways(left.name, right.name, beats), *_packages(left, right)]


def _settings(left: Environment, right: Environment) -> list[Line]:
    def line(group: str, name: str, field: str, why: str) -> Line:
        return Line(group, name, _words(field, left), _words(field, right), why)

    return [
        line(
            "Settings", "Strategy", "default_strategy", "Switching another way, staging does not rehearse the switch."
        ),
        line(
            "Settings", "Watched after the switch", "watch_seconds", "What shows late is seen only where it is watched."
        ),
        line("Gates", "Live one environment before", "needs_previous", "Untried packages may come in on one side."),
        line("Gates", "Developers may release", "developers_deploy", "Different people decide what answers."),
        line("Access", "Calls without a key", "keyless", "A client without a key works here and fails there."),
        line("Limits", "Requests per second", "requests_per_second", "A load test meets another limit."),
    ]


def _words(field: str, environment: Environment) -> str:
    value: Any = getattr(environment, field)
    if field == "default_strategy":
        return STRATEGY_WORDS.get(value, str(value))
    if field == "requests_per_second":
        return f"{value:,}" if value else "no limit"
    if field == "watch_seconds":
        return f"{value:,} s" if value else "not watched"
    if field == "needs_previous":
        return "required" if value else "not required"
    return "allowed" if value else "refused"


def _gateways(left: str, right: str, beats: list[Heartbeat] | None) -> list[Line]:
    if beats is None:  # Redis is away: nobody knows, and the page says so
        return []
    here, there = (_of(beats, name) for name in (left, right))
    count = Line("Gateways", "Processes", str(len(here)), str(len(there)), "Load spreads over another number of them.")
    return [count, _shared(left, right, beats), *_machine(here, there), *_versions(here, there)]


def _of(beats: Iterable[Heartbeat], environment: str) -> list[Heartbeat]:
    return [beat for beat in beats if environment in beat.environments]


def _shared(left: str, right: str, beats: list[Heartbeat]) -> Line:
    """Which other environments live in the same process: their work takes this one's core and memory."""
    return Line(
        "Gateways",
        "Shares its process with",
        _company(left, beats),
        _company(right, beats),
        "Work for a neighbour takes time from this one: latencies are not comparable.",
    )


def _machine(here: list[Heartbeat], there: list[Heartbeat]) -> list[Line]:
    """What the operating system gives each side; unknown where no gateway says it."""
    yields = "What yields to other work is slower when the machine is busy, so its latencies say less."
    less = "The same load fills another number of cores."
    return [
        Line("Gateways", "Priority", _said(here, _priority), _said(there, _priority), yields),
        Line("Gateways", "Cores of the machine", _said(here, _cores), _said(there, _cores), less),
    ]


def _said(beats: list[Heartbeat], what: Callable[[Heartbeat], str]) -> str:
    return " and ".join(sorted({what(beat) for beat in beats})) or "no gateway"


def _priority(beat: Heartbeat) -> str:
    return f"lower ({beat.priority})" if beat.priority > 0 else "normal"


def _cores(beat: Heartbeat) -> str:
    return str(beat.cores) if beat.cores else "not known"


def _company(name: str, beats: list[Heartbeat]) -> str:
    names = {each for beat in _of(beats, name) for each in beat.environments} - {name}
    return ", ".join(sorted(names)) or "nobody"


def _versions(here: list[Heartbeat], there: list[Heartbeat]) -> list[Line]:
    names = sorted({name for beat in (*here, *there) for name in beat.versions})
    why = "Another version of a library can give another answer or another speed."
    return [Line("Versions", name, _version(here, name), _version(there, name), why) for name in names]


def _version(beats: list[Heartbeat], name: str) -> str:
    return _said(beats, lambda beat: beat.versions.get(name, NONE))


def _packages(left: Environment, right: Environment) -> list[Line]:
    live = {side.pk: _live(side) for side in (left, right)}
    names = sorted(live[left.pk].keys() | live[right.pk].keys())
    why = "Here a newer package is tried, or an older one was left behind."
    return [
        Line("Packages", name, live[left.pk].get(name, NONE), live[right.pk].get(name, NONE), why) for name in names
    ]


def _live(environment: Environment) -> dict[str, str]:
    rows = Route.objects.filter(environment=environment, stable__isnull=False)
    return {name: f"package {number}" for name, number in rows.values_list("model__name", "stable__number")}
