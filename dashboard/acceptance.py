"""A sheet of user acceptance in words: each case with both answers, their difference and their times."""

from __future__ import annotations

import json
from typing import Any

from dashboard import figures
from dashboard.forms.uat import MarkForm
from testing.models import Sheet, SheetCase
from testing.uat.expecting import difference, of

SHOWN_MOST = 12


def cases(sheet: Sheet) -> list[dict[str, Any]]:
    """Return every case as the page shows it."""
    found = sheet.cases.prefetch_related("attachments").select_related("marked_by")
    return [case(each) for each in found]


def case(each: SheetCase, form: MarkForm | None = None) -> dict[str, Any]:
    """Return one case; `form` is what was posted and refused."""
    both = "answer" in each.candidate and "answer" in each.live
    return {
        "case": each,
        "inputs": inputs(each.row),
        "expected": of(each).words(),
        "candidate": _side(each.candidate),
        "live": _side(each.live) if each.live else None,
        "difference": difference(each.candidate["answer"], each.live["answer"]) if both else "",
        "verdict": {True: "As expected", False: "Not as expected", None: ""}[each.meets] if each.asked_at else "",
        "state": each.mark or "not looked at",
        "form": form or MarkForm(initial={"mark": each.mark, "note": each.note}, auto_id=f"id_%s_{each.pk}"),
    }


def inputs(row: dict[str, Any]) -> list[dict[str, str]]:
    """Return a row as pairs of name and value; a long one is cut, because the JSON is at hand."""
    shown = [{"label": name, "value": _text(value)} for name, value in row.items()]
    rest = len(shown) - SHOWN_MOST
    return shown if rest <= 0 else [*shown[:SHOWN_MOST], {"label": "and", "value": f"{rest} more"}]


def _side(answer: dict[str, Any]) -> dict[str, Any]:
    if "error" in answer:
        return {"error": answer["error"]}
    if "answer" not in answer:
        return {}
    value = answer["answer"]
    shown = {"package": answer.get("package"), "took": figures.duration(answer["ms"] / 1000)}
    if isinstance(value, dict) and "label" in value:
        chances = value.get("probabilities") or {}
        best = chances.get(str(value["label"])) if isinstance(chances, dict) else None
        return shown | {"value": str(value["label"]), "note": figures.percent(best) if best is not None else ""}
    return shown | {"value": f"{value:,.6g}" if isinstance(value, int | float) else _text(value)}


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:80]}…"
