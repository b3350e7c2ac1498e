"""Gates as pages show them: a sentence, met or not, and the link to the evidence or to what starts it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from releases.gates import Gate
from releases.wants import KINDS
from testing.models import Run

MENDS = {"order": "Go there", "age": "See since when", "intake": "See the intake"}
SIGNED = "uat"
Opened = Mapping[tuple[str, str], Run]


def rows(gates: Iterable[Gate], opened: Opened | None = None) -> list[dict[str, Any]]:
    """Return every gate as `components/blocked.html` shows it; what is being run says so, and leads there."""
    return [_row(gate, (opened or {}).get((gate.kind, gate.where))) for gate in gates]


def _row(gate: Gate, run: Run | None) -> dict[str, Any]:
    if run is not None and not gate.met:
        words = f"{KINDS[gate.kind]} in {gate.where} is {run.state}."
        return {"text": words, "met": False, "url": run.get_absolute_url(), "link": "Watch it"}
    return {"text": gate.words, "met": gate.met, "url": gate.url, "link": _link(gate)}


def _link(gate: Gate) -> str:
    if gate.met or gate.name in MENDS:
        return "See it" if gate.met else MENDS[gate.name]
    if gate.missing:
        return "Sign it off" if gate.kind == SIGNED else "Start it now"
    return "See why"
