"""What the judge found, as words, figures and a chart."""

from __future__ import annotations

import math
from typing import Any

from django.utils import timezone

from dashboard import figures, tellings
from dashboard.charts import evidence
from releases.analysis import words
from releases.analysis.verdict import Verdict
from releases.models import Release
from releases.queries.judged import Judged, judged

TONES = {"rollback": "bad", "invalid": "bad", "promote": "good", "hold": "warn", "continue": "accent"}
TITLES = {
    "rollback": "A fault is proven",
    "invalid": "The comparison is void",
    "promote": "Certified as safe",
    "hold": "Not enough evidence: a person decides",
    "continue": "Nothing is proven yet",
}


def shown(release: Release) -> dict[str, Any]:
    """Return what `release/_judge.html` shows; nothing where the release was never judged."""
    found = judged(release)
    if found is None:
        return {}
    verdict = found.verdict
    if verdict is None:
        return {"title": "The first batch is not closed yet", "tone": "accent", "words": "", "facts": []}
    return {
        "title": TITLES[verdict.state],
        "said": release.note == verdict.reason[:500],
        "tone": TONES[verdict.state],
        "words": verdict.reason[:1].upper() + verdict.reason[1:],
        "facts": _facts(verdict, found),
        "notes": _notes(verdict, found),
        "promise": release.plan.get("promise", {}).get("words", ""),
        "came_true": _came_true(release, found),
    }


def _came_true(release: Release, found: Judged) -> str:
    """What became of it, and how long after its first share of the traffic."""
    ended = release.ended_at or timezone.now()
    took = figures.took(max(0.0, ended.timestamp() - found.began))
    if release.state == Release.State.FAILED:
        return f"taken back {took} after its first share"
    return f"live {took} after its first share" if release.state == Release.State.LIVE else f"on its way for {took}"


def chart(release: Release) -> dict[str, Any]:
    """Return what `components/chart.html` wants for the evidence; nothing where there is none."""
    found = judged(release, with_points=True)
    if found is None or not found.points:
        return {}
    zone = timezone.get_current_timezone()
    shown = evidence.figure(found.points, found.settings.needed, zone, tellings.marks(release))
    columns, rows = evidence.table(found.points, zone)
    summary = f"Evidence against the candidate, batch by batch; {words.number(found.settings.needed)} rolls it back"
    return {"figure": shown, "summary": summary, "columns": columns, "rows": rows}


def _facts(verdict: Verdict, found: Judged) -> list[dict[str, str]]:
    needed = words.number(found.settings.needed)
    facts = [
        {"label": "Evidence against it", "value": words.number(verdict.evidence), "note": f"{needed} rolls it back"},
        {
            "label": "Odds of an error" if verdict.family == "errors" else "Odds of a slow request",
            "value": _interval(verdict),
            "note": "times stable's; 95 % interval, valid at every look",
        },
        {
            "label": "Requests judged",
            "value": figures.count(verdict.requests),
            "note": _wanted(verdict, found.settings.least_requests),
        },
        {
            "label": "Noise",
            "value": f"{verdict.dispersion.get(verdict.score, 1.0):.2g} ×",
            "note": f"chance alone is 1; {_source(found)}",
        },
    ]
    return facts


def _interval(verdict: Verdict) -> str:
    if verdict.interval is None or verdict.interval == (0.0, math.inf):
        return "unknown yet"
    low, high = (words.number(end) for end in verdict.interval)
    return f"{low} or more" if math.isinf(verdict.interval[1]) else f"{low} to {high}"


def _wanted(verdict: Verdict, least: int) -> str:
    if verdict.state == "promote":
        return "enough for the certificate"
    if verdict.wanted is None:
        return f"of the candidate; at least {least} are needed"
    return f"about {verdict.wanted:,} more for a certificate" if verdict.wanted else "enough for the certificate"


def _source(found: Judged) -> str:
    return f"measured on {found.minutes} minutes before" if found.minutes else "assumed, there was no history"


def _notes(verdict: Verdict, found: Judged) -> str:
    """The small print: what safety means here, and what was left out."""
    safe = ", ".join(f"{name} {words.number(value)}" for name, value in verdict.safety.items())
    skipped = f" {found.skipped} batches in which a gateway was lost were left out." if found.skipped else ""
    needed = words.number(found.settings.needed)
    slower = f" Slower by up to {figures.duration(found.settings.tolerance)} is tolerated."
    return f"Evidence of safety: {safe} (each needs {needed} at the end). Batches of {found.length} s.{slower}{skipped}"
