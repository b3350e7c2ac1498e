"""What a shadow has found, as words, figures, tables and a chart."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.urls import reverse

from dashboard import figures
from dashboard.charts import agreement
from releases.agreement import Finding, Rule
from releases.models import Release
from releases.queries import comparing
from releases.queries.comparing import Comparison
from releases.rights import DEPLOY, may
from serving.tally import Largest

if TYPE_CHECKING:
    from releases.rights import Person

TONES = {"pass": "good", "fail": "bad", "hold": "accent"}
TITLES = {
    "pass": "They agree: certified",
    "fail": "They disagree: proven",
    "hold": "Nothing is certain yet",
}
MOST_LARGEST, MOST_TEXT = 8, 160


def standing(release: Release, person: Person) -> dict[str, Any]:
    """Return what `release/_shadow.html` shows, and where it can go on; nothing for a release that is no shadow."""
    found = comparing.of(release)
    if found is None:
        return {"shadow": {}, "ways": []}
    return {"shadow": _shown(release, found), "ways": _onward(release, found.finding, person)}


def _shown(release: Release, found: Comparison) -> dict[str, Any]:
    return {
        "title": TITLES[found.finding.verdict],
        "tone": TONES[found.finding.verdict],
        "words": found.finding.words,
        "facts": _facts(found, _kind(release)),
        "notes": _notes(found),
        "error": found.tally.error,
    }


def tables(release: Release, person: Person) -> dict[str, Any]:
    """Return the chart and the tables of a comparison; inputs for those only who may see them."""
    found = comparing.of(release)
    if found is None or not found.tally.pairs:
        return {}
    names = [f"Package {package.number}" if package else "Nothing" for package in (release.replaces, release.package)]
    return tables_of(found, names, person)


def tables_of(found: Comparison, names: list[str], person: Person) -> dict[str, Any]:
    """Return the chart and the tables of a comparison of the two packages that have these names."""
    points, tally = found.tally.points, found.tally
    columns, rows = agreement.table(points, *names)
    return {
        "names": names,
        "figure": agreement.figure(points, *names),
        "summary": f"{len(points)} pairs of answers: {names[1]} against {names[0]}",
        "columns": columns,
        "rows": rows,
        "flips": sorted(tally.flips.items(), key=lambda item: -item[1]),
        "failed": sorted(tally.failed.items(), key=lambda item: -item[1]),
        "segments": [(each, figures.percent(each.rate)) for each in found.segments],
        "largest": [_largest(each) for each in tally.largest[:MOST_LARGEST]],
        "inputs": comparing.may_see_inputs(person),
    }


def _onward(release: Release, found: Finding, person: Person) -> list[dict[str, str]]:
    """As a canary, or all at once; each is a release of its own that cites it."""
    goes = release.state in (Release.State.COMPARED, Release.State.SHIFTING)
    if not goes or release.package is None or not may(person, DEPLOY, release.environment):
        return []
    first = "primary" if found.verdict == "pass" else ""
    given = {
        "package": release.package.number,
        "environment": release.environment.name,
        "reason": f"After release {release.pk}, a {_kind(release)}: {found.words}"[:500],
    }
    page = reverse("promote", args=[release.model.name])
    return [
        {"text": text, "css": css, "url": f"{page}?{urlencode(given | {'strategy': strategy})}"}
        for text, strategy, css in (("Go on as canary", "canary", first), ("Promote", "blue_green", ""))
    ]


def _kind(release: Release) -> str:
    return "replay" if release.plan.get("recorded") else "shadow"


def _facts(found: Comparison, kind: str) -> list[dict[str, str]]:
    """What was recorded knows only how long an answer took in all."""
    live = "the live answer took" if kind == "replay" else "live"
    tally, finding = found.tally, found.finding
    low, high = (figures.percent(end) for end in finding.interval)
    missed = tally.dropped + sum(tally.failed.values())
    return [
        {"label": "Disagree", "value": figures.percent(finding.rate), "note": f"certainly {low} to {high}"},
        {"label": "Pairs", "value": figures.count(tally.pairs), "note": f"{figures.count(found.rule.pairs)} asked for"},
        {
            "label": "Time in the model",
            "value": figures.duration(found.seconds["shadow"]["p50"]),
            "note": f"median; {live} {figures.duration(found.seconds['live']['p50'])}",
        },
        {
            "label": "Not compared",
            "value": figures.count(missed),
            "note": f"{figures.count(tally.dropped)} had no room, {figures.count(missed - tally.dropped)} failed",
            **({"tone": "warn"} if tally.failed else {}),
        },
    ]


def _notes(found: Comparison) -> str:
    below, above = _short(found.finding.below), _short(found.finding.above)
    proofs = f"Evidence that they are fewer: {below}, that they are more: {above}; 20 is enough."
    return f"{rule_words(found.rule)} {proofs} One row of each request counts, drawn at random."


def rule_words(rule: Rule) -> str:
    """Say when answers agree, and how many may not."""
    apart = f"{100 * rule.rtol:g} % of the live one" + (f" and {rule.atol:g}" if rule.atol else "")
    asked = f"less than {100 * rule.limit:g} % of the pairs may disagree, of {rule.pairs:,} at least"
    return f"Numbers agree within {apart}, classes when they are the same; {asked}."


def _short(evidence: float) -> str:
    return f"{evidence:.2g}" if evidence < 1000 else "over 1,000"


def _largest(each: Largest) -> dict[str, str]:
    return {
        "apart": f"{each.apart:.4g}",
        "live": _text(each.live),
        "shadow": _text(each.shadow),
        "inputs": _text(each.inputs),
        "id": each.id,
    }


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}…"
