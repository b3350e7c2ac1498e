"""Where something stands, step by step: the steps of an intake and those of a release."""

from __future__ import annotations

from typing import Any

from dashboard import figures
from releases.intake import STEPS
from releases.models import Event, Intake, Release

S = Release.State
GOOD = (S.LIVE, S.COMPARED)
TITLES = {
    "unpack": "Unpack",
    "digest": "Compute the digest",
    "inspect": "Inspect the types",
    "load": "Load in the sandbox",
    "predict": "Predict the example",
    "convert": "Convert to ONNX",
    "prove": "Prove the answers equal",
    "versions": "Compare library versions",
    "store": "Store",
}
SHOWN = {"running": "current", "passed": "done", "refused": "failed", "skipped": "skipped"}


def intake(report: Intake) -> list[dict[str, Any]]:
    """Return every step of an upload, those that have not begun included, as `components/progress.html` shows them."""
    seen = {step["name"]: step for step in report.steps}
    names = [*STEPS, *(name for name in seen if name not in STEPS)]
    ended = report.state not in Intake.OPEN
    steps = [_intake_step(name, seen.get(name), ended) for name in names]
    return [step for step in steps if step]


def _intake_step(name: str, step: dict[str, Any] | None, ended: bool) -> dict[str, Any] | None:
    title = TITLES.get(name, name.capitalize())
    if step is None:
        return None if ended else {"title": title, "detail": "", "state": "todo", "took": ""}
    took = _took(step["seconds"]) if step["state"] not in ("running", "skipped") else ""
    shown = SHOWN.get(step["state"], "todo")
    if ended and shown == "current":
        shown = "failed"
    return {"title": title, "detail": step["detail"], "state": shown, "took": took}


def _took(seconds: float) -> str:
    """Nobody counts the steps of an upload in thousandths of a second."""
    if seconds < 0.05:
        return "at once"
    return f"{seconds:.1f}{figures.SPACE}s" if seconds < 60 else figures.took(seconds)


def release(running: Release, events: list[Event], watch_seconds: int) -> list[dict[str, Any]]:
    """Return the steps of a release as `components/stepper.html` shows them; `events` are newest first."""
    plan = _plan(running, events, watch_seconds)
    at = _reached(running, events, plan)
    stopped = running.state in (S.FAILED, S.ABORTED)
    return [
        _step(running, title, index, at, stopped, _when(events, actions)) for index, (title, actions) in enumerate(plan)
    ]


Plan = list[tuple[str, tuple[str, ...]]]  # title of each step, and the events that end it


def _plan(running: Release, events: list[Event], watch_seconds: int) -> Plan:
    watched = (watch_seconds and not running.is_rollback) or any(event.action == "watch" for event in events)
    watch: Plan = [("Watch", ("finish",))] if watched else []
    after = ("watch", "finish")
    if running.strategy == "edge" and running.is_rollback:
        return [("Ask", ("create",)), ("All devices", ("finish",)), ("Live" if running.package else "Off", ())]
    if running.strategy == "edge":
        shared: Plan = [(f"{weight:g} %", ()) for weight, _ in running.plan.get("steps", ())]
        return [
            ("Wait", ("begin",)),
            ("Make the bundle", ("shift",)),
            *shared,
            ("All devices", ("finish",)),
            ("Live", ()),
        ]
    if running.is_rollback:
        return [("Ask", ("create",)), ("Return the traffic", after), *watch, ("Live" if running.package else "Off", ())]
    start: Plan = [("Wait", ("begin",))]
    if running.strategy == "recreate" and running.replaces_id is None:
        return [*start, ("Load and switch on", after), *watch, ("Live", ())]
    if running.strategy == "recreate":
        return [*start, ("Old one off", ("step",)), ("New one on", after), *watch, ("Live", ())]
    if running.strategy == "shadow":
        return [*start, ("Load beside it", ("shift",)), ("Compare", ("end",)), ("Compared", ())]
    if running.strategy == "canary":
        shares: Plan = [(f"{weight:g} %", ()) for weight, _ in running.plan.get("steps", ())]
        return [*start, ("Load and warm", ("shift",)), *shares, ("All of it", after), *watch, ("Live", ())]
    return [*start, ("Load and warm", ("shift",)), ("Switch", after), *watch, ("Live", ())]


def _reached(running: Release, events: list[Event], plan: Plan) -> int:
    """The index of the step that is under way, or where it stopped; beyond the last one once it is live."""
    if running.state in GOOD:
        return len(plan)
    happened = {event.action for event in events}
    done = [index for index, (_, actions) in enumerate(plan) if happened & set(actions)]
    if (
        running.strategy in ("canary", "edge")
        and running.step
        and "shift" in happened
        and not happened & {"watch", "finish"}
    ):
        # Two steps come before the shares; a weight by hand may lead back to an earlier one.
        return 1 + running.step
    return max(done) + 1 if done else 0


def _step(running: Release, title: str, index: int, at: int, stopped: bool, when: Event | None) -> dict[str, Any]:
    if index < at:
        ended = index == at - 1 and running.state in GOOD
        detail = f"{running.ended_at:%H:%M:%S}" if ended and running.ended_at else f"{when.at:%H:%M:%S}" if when else ""
        return {"title": title, "detail": detail, "state": "done"}
    if index > at:
        return {"title": title, "detail": "", "state": "skipped" if stopped else "todo"}
    if stopped:
        return {"title": title, "detail": "stopped here", "state": "failed"}
    return {"title": title, "detail": "now", "state": "paused" if running.paused_at else "current"}


def _when(events: list[Event], actions: tuple[str, ...]) -> Event | None:
    return next((event for event in reversed(events) if event.action in actions), None)
