"""A release in words: its state, its events, its facts, and how far the gateways are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from dashboard import figures
from dashboard.cells import what
from releases.gateways import Adoption
from releases.models import Event, Release
from releases.strategies import EVERY

S = Release.State
# What is marked on the time axis of the charts.
MARKS = {"shift": "switch", "step": "new one on", "finish": "live", "abort": "stopped", "fail": "rolled back"}
SHARED = ("shift", "step", "weight", "promote")
SHADOWED = {
    "create": "A shadow was asked for",
    "begin": "Loading it beside the live one",
    "shift": "Requests are mirrored",
    "end": "Compared",
}
REPLAYED = SHADOWED | {"create": "A replay was asked for", "shift": "Recorded requests are replayed"}
NOTHING_OFF = "Nothing has to go off"
TONES = {
    "finish": "good",
    "end": "good",
    "abort": "warn",
    "fail": "bad",
    "shift": "accent",
    "step": "accent",
    "watch": "accent",
}


def state(release: Release) -> str:
    """Return the word whose look `states.py` knows: retired and rolled back are no states of the machine."""
    if release.state == S.LIVE and release.retired_at:
        return "retired"
    if release.state == S.LIVE and release.package_id is None:
        return "off"
    if release.paused_at and release.is_unfinished:
        return "paused"
    if release.state == S.SHIFTING:
        return {"shadow": "comparing", "edge": "reaching"}.get(release.strategy, release.state)
    return release.state


def row(release: Release) -> dict[str, Any]:
    """Return a release as lists show it: {release, what, state, tone}."""
    shown = state(release)
    tone = (
        "accent"
        if release.is_unfinished
        else {"live": "good", "compared": "good", "failed": "bad", "aborted": "warn"}.get(shown, "")
    )
    return {"release": release, "what": what(release), "state": shown, "tone": tone}


def event(each: Event, release: Release) -> dict[str, Any]:
    """Return one event as `components/timeline.html` shows it."""
    title = _title(each, release)
    return {
        "title": title,
        "at": each.at,
        "who": each.actor.get_username() if each.actor else "Slipway",
        "tone": TONES.get(each.action, ""),
        "detail": "" if title in (each.reason, NOTHING_OFF) else each.reason,
    }


def marks(release: Release) -> list[tuple[float, str]]:
    """Return what happened as charts mark it: (epoch seconds, words)."""
    found = [(event.at.timestamp(), _mark(event, release)) for event in release.events.all()]
    return [mark for mark in found if mark[1]]


def _mark(each: Event, release: Release) -> str:
    if release.strategy == "canary" and each.action in SHARED:
        return f"{each.weight:g} %"
    if release.strategy == "shadow" and each.action in SHADOWED:
        return {"shift": "shadow", "end": "compared"}.get(each.action, "")
    return MARKS.get(each.action, "")


def adoption(known: Adoption) -> str:
    """Return how far the gateways are with the newest table."""
    if not known.known:
        return "Redis is away, so nobody can say how many gateways have adopted the table."
    if not known.gateways:
        return "No gateway of this environment is running."
    noun = "gateway has" if known.gateways == 1 else "gateways have"
    return f"{known.adopted} of {known.gateways} {noun} adopted the table." + "".join(f" {e}" for e in known.errors)


def facts(release: Release) -> list[dict[str, Any]]:
    """Return the strip of figures: how, since when, how long, and what was off for how long."""
    strategy = EVERY.get(release.strategy)
    label = strategy.label if strategy else release.strategy
    begun, since = _begun(release)
    found = [{"label": "Strategy", "value": "Rollback" if release.is_rollback else label}]
    if release.ended_at:
        took = (release.ended_at - begun).total_seconds()
        found.append({"label": "Took", "value": figures.took(took), "note": f"from {since} to its end"})
    if release.switched_at and release.ended_at and release.state == S.LIVE:
        adopted = (release.ended_at - release.switched_at).total_seconds()
        found.append({"label": "Switch", "value": figures.took(adopted), "note": "until every gateway had it"})
    return found + _downtime(release)


def _begun(release: Release) -> tuple[datetime, str]:
    """When a release could begin to work: a scheduled one is not slow because it waited for its time."""
    if release.start_at and release.ended_at and release.created_at < release.start_at <= release.ended_at:
        return release.start_at, "its start time"
    return release.created_at, "the click"


def about(release: Release) -> list[dict[str, Any]]:
    """Return what a release is, as `components/pairs.html` shows it."""
    new, old, shadow = release.package, release.replaces, release.strategy == "shadow"
    strategy = EVERY.get(release.strategy)
    pairs = [
        {
            "label": "Shadows with" if shadow else "Brings",
            "value": f"package {new.number}",
            "url": new.get_absolute_url(),
        }
        if new
        else None,
        {"label": "Digest", "value": new.digest, "digest": True} if new else None,
        {"label": "Beside" if shadow else "Replaces", "value": f"package {old.number}", "url": old.get_absolute_url()}
        if old
        else None,
        {"label": "Reason", "value": release.reason or "none given"},
        {"label": "How", "value": _how(release, strategy.summary)} if strategy and not release.is_rollback else None,
        {"label": "Hotfix", "value": release.hotfix} if release.hotfix else None,
        {"label": "Start", "at": release.start_at} if release.start_at else None,
        {"label": "Ended", "at": release.ended_at} if release.ended_at else None,
        {"label": "Retired", "at": release.retired_at} if release.retired_at else None,
    ]
    return [pair for pair in pairs if pair]


def _how(release: Release, summary: str) -> str:
    """What the strategy does, or for the first package of a place that it has nothing to take off."""
    if release.replaces or release.strategy == "edge":
        return summary
    return "Nothing was live here, so the package is loaded and takes all calls."


def _downtime(release: Release) -> list[dict[str, Any]]:
    """Recreate's price, measured: from the old one going off until every gateway had the new one."""
    if release.strategy != "recreate" or not release.off_at or release.replaces is None:
        return []
    if release.on_at:
        seconds = (release.on_at - release.off_at).total_seconds()
        return [{"label": "Off", "value": figures.took(seconds), "note": "calls got 503", "tone": "warn"}]
    if release.is_unfinished:
        return [{"label": "Off", "value": "now", "note": f"since {release.off_at:%H:%M:%S}", "tone": "warn"}]
    return []


def _at_devices(each: Event, release: Release) -> str:
    """Return what a step of a release to devices is called; empty where it is called as any other."""
    new = f"package {release.package.number}" if release.package else ""
    share = f"{each.weight:g} % of the devices are offered {new}"
    asked = f"{new.capitalize()} was sent to devices" if new else "The model was switched off on devices"
    return {
        "create": f"Devices go back to {new}" if new and release.is_rollback else asked,
        "begin": "The bundle is made",
        "shift": share,
        "step": share,
        "promote": "Sent to all devices by hand",
        "finish": f"All devices are offered {new}" if new else "Off on all devices",
        "abort": "Withdrawn",
        "fail": "Taken back",
    }.get(each.action, "")


def _title(each: Event, release: Release) -> str:
    new = f"package {release.package.number}" if release.package else "nothing"
    old = f"package {release.replaces.number}" if release.replaces else "nothing"
    if release.strategy == "edge" and (title := _at_devices(each, release)):
        return title
    if release.strategy == "shadow" and each.action in SHADOWED:
        return (REPLAYED if release.plan.get("recorded") else SHADOWED)[each.action]
    if each.action == "create":
        return f"Rollback from {old} to {new}" if release.is_rollback else f"Release of {new} was asked for"
    if release.strategy == "canary" and each.action in SHARED:
        return f"{new.capitalize()} gets {each.weight:g} % of the traffic"
    if each.action == "shift":
        off = f"{old.capitalize()} goes off" if release.replaces else NOTHING_OFF
        return off if each.weight == 0 else f"All traffic switched to {new}"
    by_itself = "Taken back by itself" if release.strategy == "canary" else "Failed"
    words = {
        "begin": f"Loading {new} beside {old}" if release.replaces else f"Loading {new}",
        "step": f"{new.capitalize()} comes on",
        "watch": f"Every gateway has switched; watching {new}",
        "finish": f"{new.capitalize()} is live" if release.package else "Switched off",
        "abort": "Stopped",
        "fail": "Rolled back" if each.actor_id else by_itself,
        "pause": "Paused",
        "resume": "Went on",
    }
    if each.action == "begin" and release.strategy == "recreate":
        return "Began"
    return words.get(each.action, each.action.capitalize())
