"""What the charts share: the role of each package as a colour, times on the axis, and marked events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

Figure = dict[str, Any]
Roles = Mapping[int, str]  # package number → "candidate" or "stable"; others are drawn as "previous"

COLOURS = {"candidate": "candidate", "stable": "stable", "previous": "control"}
# At most as many packages as can be told apart; the rest is what was retired long ago.
MOST = 4


def colour(package: int, roles: Roles, opacity: float | None = None) -> str:
    """Return the token of a package's colour: candidate blue, stable grey, wherever it is drawn."""
    token = COLOURS[roles.get(package, "previous")]
    return f"token:{token}" if opacity is None else f"token:{token}/{opacity}"


def stamps(times: Iterable[float], zone: tzinfo) -> list[str]:
    """Return epoch seconds as local times that Plotly draws as they stand."""
    return [f"{datetime.fromtimestamp(at, zone):%Y-%m-%d %H:%M:%S}" for at in times]


def marks(events: Sequence[tuple[float, str]], times: Sequence[float], step: int, zone: tzinfo) -> list[dict[str, str]]:
    """Return the events that lie inside the drawn time; of several in one step only the last keeps its words."""
    inside = [(at, label) for at, label in events if times and times[0] <= at <= times[-1] + step]
    room = max((times[-1] - times[0]) / 14, step) if times else step
    kept: list[tuple[float, str]] = []
    for at, label in inside:
        if kept and at - kept[-1][0] < room:
            kept.pop()
        kept.append((at, label))
    return [{"at": stamps([at], zone)[0], "label": label} for at, label in kept]


def order(packages: Iterable[int], roles: Roles) -> list[int]:
    """Return the packages as they are stacked: stable at the bottom, the candidate above, older ones between."""
    rank = {"stable": 0, "candidate": 2}
    shown = sorted(packages, key=lambda package: (package in roles, package))[-MOST:]
    return sorted(shown, key=lambda package: (rank.get(roles.get(package, ""), 1), package))


def span(times: Sequence[float], step: int, zone: tzinfo) -> dict[str, Any]:
    """Return the x axis over the whole time, also where nothing was measured."""
    ends = stamps([times[0], times[-1] + step], zone) if times else []
    return {"type": "date", "range": ends, "hoverformat": "%H:%M:%S" if step < 60 else "%-d %b, %H:%M"}
