"""The badges of a package: one for each kind of suite, with what it showed."""

from __future__ import annotations

from collections.abc import Iterable

from releases.models import Package
from releases.queries import badges
from releases.wants import KINDS

WORDS = {"pass": "passed", "fail": "failed", "hold": "no verdict", "": "not run"}
TONES = {"pass": "good", "fail": "bad", "hold": "warn", "": "none"}
ICONS = {"pass": "check", "fail": "cross", "hold": "warning", "": "dot"}


def of(packages: Iterable[Package]) -> dict[int, list[dict[str, str]]]:
    """Return the badges of each package by its primary key, as `components/badges.html` shows them."""
    packages = list(packages)
    shown = badges.of(package.digest for package in packages)
    return {package.pk: _row(shown[package.digest]) for package in packages}


def _row(shown: dict[str, str]) -> list[dict[str, str]]:
    return [_badge(label, shown.get(kind, "")) for kind, label in KINDS.items()]


def _badge(label: str, verdict: str) -> dict[str, str]:
    return {"label": label, "word": WORDS[verdict], "tone": TONES[verdict], "icon": ICONS[verdict]}
