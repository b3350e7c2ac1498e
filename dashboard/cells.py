"""What one cell of the board says: a place, its figures and the person's rights become words and links."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe

from dashboard import figures
from dashboard.templatetags.ui import cell_figures
from releases.models import Package, Release
from releases.queries import packages
from releases.queries.board import Place
from releases.queries.glance import Figures
from releases.rights import DEPLOY, may

if TYPE_CHECKING:
    from releases.rights import Person

STATES = Release.State
# Most of a cell is as it was two seconds ago, and drawing it anew costs a hundred times as much as finding it here.
_DRAWN: dict[tuple[str, str], str] = {}
DRAWN_MOST = 4000
# What was measured changes all the time: it is drawn by itself, and put where the mark stands.
MEASURED = frozenset({"figures", "rate", "error_rate", "p99", "spark"})
MARK = mark_safe("<!--measured-->")


def cell(place: Place, measured: dict[tuple[str, str], Figures] | None, person: Person) -> dict[str, Any]:
    """Return what `components/cell.html` shows; `measured` by (environment, model), None while Redis is away."""
    mine = (measured or {}).get((place.environment.name, place.model.name))
    shown = _head(place) | _figures(place, mine, known=measured is not None)
    if place.running:
        shown |= _moving(place.running)
    if may(person, DEPLOY, place.environment):
        shown |= _next(place) | _back(place)
    return shown


def drawn(shown: dict[str, Any]) -> SafeString:
    """Return the cell's HTML; all but the figures is remembered while it stays the same, its age in words included."""
    still = {name: value for name, value in shown.items() if name not in MEASURED}
    since = shown.get("since")
    key = repr(still), figures.relative(since) if since else ""
    if key not in _DRAWN:
        if len(_DRAWN) >= DRAWN_MOST:
            _DRAWN.clear()
        _DRAWN[key] = render_to_string("components/cell.html", {"cell": still | {"measured": MARK}})
    return mark_safe(_DRAWN[key].replace(MARK, cell_figures(shown)))  # noqa: S308 - both have escaped what they show


@lru_cache(maxsize=4096)
def address(name: str, *words: str | int) -> str:
    """Return the address of a page; looked up once, because a board asks for hundreds."""
    return reverse(name, args=words)


def promote_url(model: str, package: int, environment: str) -> str:
    query = urlencode({"package": package, "environment": environment})
    return f"{address('promote', model)}?{query}"


def onward(person: Person, package: Package) -> dict[str, str]:
    """Return where the package goes next, `{text, url}`; empty when it is everywhere, or the person may not."""
    environment = packages.next_environment(package)
    if environment is None or not may(person, DEPLOY, environment):
        return {}
    text = f"Promote package {package.number} to {environment.name}"
    return {"text": text, "url": promote_url(package.model.name, package.number, environment.name)}


def parts(release: Release) -> list[dict[str, Any]]:
    """Return who gets how much of the traffic while the release is under way."""
    pairs = [(release.package, release.weight, "candidate"), (release.replaces, release.stable_weight, "stable")]
    return [{"weight": weight, "label": f"Package {p.number}", "arm": arm} for p, weight, arm in pairs if p]


def what(release: Release) -> str:
    """Return what a release does: `Package 1 → 2`, `Back to package 1`, `Off`, and whether devices are meant."""
    return f"{_what(release)} on devices" if release.strategy == "edge" else _what(release)


def _what(release: Release) -> str:
    if release.package is None:
        return "Off"
    if release.is_rollback:
        return f"Back to package {release.package.number}"
    if release.strategy == "shadow" and release.replaces:
        how = "replayed against" if release.plan.get("recorded") else "beside"
        return f"Package {release.package.number} {how} {release.replaces.number}"
    if release.replaces and release.replaces != release.package:
        return f"Package {release.replaces.number} → {release.package.number}"
    return f"Package {release.package.number}"


def _head(place: Place) -> dict[str, Any]:
    live = place.stable
    if live is None:
        return {"empty": "Switched off" if place.previous else "Nothing live"}
    returned = place.previous and place.previous.number > live.number
    return {
        "package": f"Package {live.number}",
        "url": address("package", place.model.name, live.number),
        "state": "live",
        "since": place.since,
        "note": f"back from {place.previous.number}" if returned and place.previous else "",
    }


def _figures(place: Place, mine: Figures | None, known: bool) -> dict[str, Any]:
    if mine is None or not any(mine.spark):
        words = "No calls in 15 min" if known else "Figures unknown: Redis is away"
        return {"quiet": words if place.stable else ""}
    if not mine.rate:
        return {"spark": mine.spark, "quiet": "No calls in the last minute"}
    return {
        "figures": True,
        "rate": mine.rate,
        "error_rate": mine.error_rate,
        "p99": mine.p99,
        "spark": mine.spark,
    }


def _moving(release: Release) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "moving": {"text": what(release), "url": release.get_absolute_url()},
        "parts": parts(release),
    }
    shown["state"] = "paused" if release.paused_at else release.state
    if words := _held(release):
        shown |= {"blocked": words, "blocked_url": release.get_absolute_url()}
    elif release.note:
        shown["moving"]["text"] += f": {release.note}"
    return shown


def _held(release: Release) -> str:
    """What a waiting release waits for; a start time by its name, not as a note that somebody has to look up."""
    if release.state != STATES.WAITING:
        return ""
    if release.start_at and release.start_at > timezone.now():
        return f"Starts {figures.soon(timezone.localtime(release.start_at))}"
    return release.note


def _next(place: Place) -> dict[str, Any]:
    if place.offer is None:
        return {}
    url = promote_url(place.model.name, place.offer.number, place.environment.name)
    shown: dict[str, Any] = {
        "next": f"Promote package {place.offer.number}{' again' if place.again else ''}",
        "next_where": f" of {place.model.name} to {place.environment.name}",
        "next_url": url,
    }
    if place.refuses:
        words = f"Package {place.offer.number} refuses calls that package {_number(place)} answers"
        shown |= {"blocked": words, "blocked_url": url}
    return shown


def _back(place: Place) -> dict[str, Any]:
    if not place.can_roll_back:
        return {}
    return {
        "back": "Roll back",
        "back_where": f" {place.model.name} in {place.environment.name}",
        "back_url": address("roll_back", place.model.name, place.environment.name),
    }


def _number(place: Place) -> int:
    return place.stable.number if place.stable else 0
