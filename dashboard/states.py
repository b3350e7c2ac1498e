"""What each state looks like: a tone, an icon and a word, so that colour is never the only sign."""

from __future__ import annotations

from typing import NamedTuple


class Look(NamedTuple):
    """How a state is shown: tone (good, warn, bad, accent or quiet), icon name, word."""

    tone: str
    icon: str
    word: str


LOOKS: dict[str, Look] = {
    # a release
    "waiting": Look("quiet", "clock", "Waiting"),
    "preparing": Look("accent", "turning", "Preparing"),
    "shifting": Look("accent", "turning", "Shifting traffic"),
    "reaching": Look("accent", "device", "Reaching devices"),
    "watching": Look("accent", "eye", "Watching"),
    "live": Look("good", "check", "Live"),
    "failed": Look("bad", "cross", "Failed"),
    "aborted": Look("quiet", "stop", "Aborted"),
    "comparing": Look("accent", "eye", "Comparing"),
    "compared": Look("good", "check", "Compared"),
    "retired": Look("quiet", "archive", "Retired"),
    "paused": Look("warn", "pause", "Paused"),
    "blocked": Look("warn", "lock", "Blocked"),
    "scheduled": Look("quiet", "clock", "Scheduled"),
    "rolled back": Look("bad", "back", "Rolled back"),
    "off": Look("quiet", "stop", "Off"),
    # a gate, a judge, a suite
    "pass": Look("good", "check", "Pass"),
    "fail": Look("bad", "cross", "Fail"),
    "hold": Look("warn", "pause", "Hold"),
    "promote": Look("good", "up", "Promote"),
    "rollback": Look("bad", "back", "Roll back"),
    "invalid": Look("warn", "warning", "Invalid"),
    "missing": Look("warn", "warning", "Missing"),
    # an intake and its steps
    "running": Look("accent", "turning", "Running"),
    "passed": Look("good", "check", "Passed"),
    "refused": Look("bad", "cross", "Refused"),
    "skipped": Look("quiet", "skip", "Skipped"),
    "accepted": Look("good", "check", "Accepted"),
    "queued": Look("quiet", "clock", "Queued"),
    "assembling": Look("accent", "turning", "Assembling"),
    "done": Look("good", "check", "Done"),
    "late": Look("bad", "clock", "Late"),
    "missed": Look("warn", "warning", "Missed"),
    "errored": Look("warn", "warning", "Errored"),
    "cancelled": Look("quiet", "stop", "Cancelled"),
    "timed out": Look("warn", "clock", "Timed out"),
    "not offered": Look("quiet", "skip", "Not offered"),
    "overridden": Look("warn", "shield", "Overridden"),
    "open": Look("accent", "eye", "Open"),
    "signed": Look("good", "check", "Signed"),
    "rejected": Look("bad", "cross", "Rejected"),
    "not looked at": Look("quiet", "dot", "Not looked at"),
    "quarantined": Look("bad", "lock", "Quarantined"),
    # a gateway, a part of the system, a package in memory
    "ready": Look("good", "check", "Ready"),
    "loading": Look("accent", "turning", "Loading"),
    "away": Look("bad", "warning", "Away"),
    "error": Look("bad", "warning", "Error"),
    "warm": Look("accent", "flame", "Warm"),
    # an arm
    "stable": Look("quiet", "anchor", "Stable"),
    "candidate": Look("accent", "up", "Candidate"),
    "control": Look("quiet", "scale", "Control"),
    "previous": Look("quiet", "archive", "Previous"),
    # a key
    "active": Look("good", "check", "Active"),
    "expired": Look("warn", "clock", "Expired"),
    "revoked": Look("quiet", "stop", "Revoked"),
}


def look(state: str) -> Look:
    """The look of a state; one that has none is shown quietly by its own word."""
    known = LOOKS.get(str(state).lower().replace("_", " "))
    return known or Look("quiet", "dot", str(state).replace("_", " ").capitalize())
