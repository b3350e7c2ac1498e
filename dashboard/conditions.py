"""Gates as pages show them: a sentence, met or not, and the link to the evidence or to what starts it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from releases.gates import Gate

MENDS = {"order": "Go there", "age": "See since when", "intake": "See the intake"}
SIGNED = "uat"


def rows(gates: Iterable[Gate]) -> list[dict[str, Any]]:
    """Return every gate as `components/blocked.html` shows it."""
    return [{"text": gate.words, "met": gate.met, "url": gate.url, "link": _link(gate)} for gate in gates]


def _link(gate: Gate) -> str:
    if gate.met or gate.name in MENDS:
        return "See it" if gate.met else MENDS[gate.name]
    if gate.missing:
        return "Sign it off" if gate.kind == SIGNED else "Start it now"
    return "See why"
