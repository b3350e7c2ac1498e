"""What a promote, a rollback or a stop changes, in words and in rows of before and after."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import isfinite
from typing import Any

from dashboard import badges, facts, figures, signatures
from dashboard.facts import FORMATS
from releases.models import Package, Release
from releases.queries import traffic
from releases.queries.releases import Return, Switch

RUNTIMES = {"onnx": "ONNX Runtime", "sklearn": "scikit-learn"}
COLUMNS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "digest": ("Digest", figures.short_digest),
    "format": ("Format", lambda name: FORMATS.get(name, name)),
    "runtime": ("Served by", lambda name: RUNTIMES.get(name, name)),
    "onnx_digest": ("ONNX form", lambda digest: figures.short_digest(digest) or "none"),
    "size": ("Size", figures.size),
}
Rows = list[dict[str, Any]]


def promote(switch: Switch) -> Rows:
    """Return what is live against what comes."""
    old, new = switch.stable, switch.package
    return [*compare(old, new), _evidence(old, new), *_told(old, new), *_signature(old, new), *_lately(old, switch)]


def roll_back(way: Return) -> Rows:
    """Return what answers now against what answers after the rollback."""
    if way.nothing_live:
        return []
    back = way.stable if way.stops_only else way.back
    if back is None and way.leaving:
        answers = {"name": "Calls are answered", "before": f"by package {way.leaving.number}", "after": "with 503"}
        return [answers, *_lately(way.leaving, way)]
    told = _told(way.leaving, back)
    return [*compare(way.leaving, back), *told, *_signature(way.leaving, back), *_lately(way.leaving, way)]


def compare(before: Package | None, after: Package | None) -> Rows:
    """Return the rows that are the same for every pair of packages."""
    old, new = _facts(before), _facts(after)
    return [{"name": name, "before": old[name], "after": new[name]} for name in old]


def rows(found: Rows) -> Rows:
    """Return the rows of `queries.difference` in words: inputs as phrases, digests shortened."""
    return [_compared(row) for row in found]


def _compared(row: dict[str, Any]) -> dict[str, Any]:
    if row["part"] == "package" and row["name"] in COLUMNS:
        title, say = COLUMNS[row["name"]]
        return {"name": title, "before": say(row["from"]), "after": say(row["to"])}
    name = f"{row['part'].removesuffix('s')} {row['name']}"
    return {
        "name": name.capitalize(),
        "before": _said(row["part"], row["from"]),
        "after": _said(row["part"], row["to"]),
    }


def _said(part: str, value: Any) -> str:
    if value is None:
        return ""
    if part in ("inputs", "outputs"):
        limits = {key: value[key] for key in value if key not in ("name", "type", "required", "tensor-spec")}
        data = {"inputs": [value], "metadata": {"constraints": {value.get("name") or "input": limits}}}
        return signatures.words(signatures.fields(data)[0])
    if part == "versions" and isinstance(value, dict):
        return str(value.get("package") or "not said")
    if isinstance(value, str):
        return figures.short_digest(value) if part == "files" or value.startswith("sha256:") else value
    return json.dumps(value, ensure_ascii=False)


def words(switch: Switch) -> dict[str, str]:
    """Return title, button and the names over the columns of the promote page."""
    number, where = switch.package.number, switch.environment.name
    if switch.stable:
        button = f"Switch {where} from package {switch.stable.number} to package {number}"
    else:
        button = f"Start {where} with package {number}"
    before = f"Package {switch.stable.number}, live" if switch.stable else "Nothing live"
    canary = f"Start a canary of package {number} in {where}"
    if switch.unmet:
        canary += " as soon as all is met"
        button = f"Release package {number} to {where} as soon as all is met"
    title = f"Promote package {number} to {where}"
    return {
        "title": title,
        "button": button,
        "canary_button": canary,
        "before": before,
        "after": f"Package {number}",
    }


def back_words(way: Return) -> dict[str, Any]:
    """Return title, lead, button and the names over the columns of the rollback page."""
    where, model = way.environment.name, way.model.name
    before = f"Package {way.leaving.number}, now" if way.leaving else "Off, now"
    if way.stops_only and way.running:
        keeps = f"package {way.stable.number} keeps all traffic" if way.stable else "nothing is live then"
        lead = f"Release {way.running.pk} is on its way. It ends here, and {keeps}."
        kept = f", keep package {way.stable.number}" if way.stable else ""
        title, button = f"Roll back {model} in {where}", f"Stop release {way.running.pk}{kept}"
        return _back(title, lead, button, before, f"Package {way.stable.number}, after" if way.stable else "Off, after")
    if way.back is None:
        lead = f"No other package was live in {where}, so nothing is left to return to. Clients get 503 until one is."
        return _back(f"Take {model} off in {where}", lead, f"Take {model} off in {where}", before, "Off, after")
    number = way.back.number
    lead = f"All traffic of {model} in {where} moves at once. Package {number} is loaded and warm, so no call is lost."
    if way.leaving and number > way.leaving.number:
        lead += (
            f" Mind that package {number} is the newer one: it answered here before package {way.leaving.number} did."
        )
    title = f"Roll {where} back to package {number}"
    return _back(title, lead, title, before, f"Package {number}, after")


def abort(release: Release) -> dict[str, str]:
    """Return title, lead and button of the page that stops a release."""
    kept = f"package {release.replaces.number} keeps all traffic" if release.replaces else "nothing is live then"
    if release.strategy == "recreate" and release.off_at:
        kept = kept.replace("keeps", "gets back")
    if release.strategy == "edge":
        kept = "devices that have it go back to what they had, with their next look"
    lead = f"{release.model.name} in {release.environment.name}: {kept}."
    return {
        "title": f"Stop release {release.pk}",
        "lead": lead[0].upper() + lead[1:],
        "button": f"Stop release {release.pk}",
    }


def meanwhile(stable: Package | None, running: Release | None, where: str) -> str:
    """Return what is true now, for somebody whose page is older."""
    if running:
        return f"This page was out of date: release {running.pk} is {running.state} in {where}. Nothing was changed."
    live = f"package {stable.number} is live" if stable else "nothing is live"
    return f"This page was out of date: {live} in {where} now. Look at the difference again; nothing was changed."


def _back(title: str, lead: str, button: str, before: str, after: str) -> dict[str, str]:
    return {"title": title, "lead": lead, "button": button, "before": before, "after": after}


def _facts(package: Package | None) -> dict[str, str]:
    if package is None:
        return {"Digest": "", "Served by": "", "Size": "", "Registered": ""}
    by = f" by {package.created_by.get_username()}" if package.created_by else ""
    return {
        "Digest": figures.short_digest(package.digest),
        "Served by": RUNTIMES.get(package.runtime, package.runtime),
        "Size": figures.size(package.size),
        "Registered": f"{package.created_at:%-d %b %Y, %H:%M}{by}",
    }


def _signature(before: Package | None, after: Package | None) -> Rows:
    """Changed fields one by one; an unchanged signature in one row."""
    old, new = (package.signature if package else {} for package in (before, after))
    changed = [row for row in signatures.changes(old, new) if row["before"] != row["after"]]
    count = len(signatures.fields(new))
    if before and after and not changed:
        return [{"name": "Signature", "before": f"{count} fields", "after": f"{count} fields"}]
    if not before or not after:
        both = [f"{len(signatures.fields(data))} fields" if data else "" for data in (old, new)]
        return [{"name": "Signature", "before": both[0], "after": both[1]}]
    return [{**row, "name": f"Field {row['name']}"} for row in changed]


def _evidence(before: Package | None, after: Package) -> dict[str, Any]:
    return {"name": "Evidence", "before": _shown(before) if before else "", "after": _shown(after)}


def _told(before: Package | None, after: Package | None) -> Rows:
    """What the uploads say of their making: every figure (such as a measured error), and texts that differ."""
    old, new = (facts.told_by(package) if package else {} for package in (before, after))
    names = [*new, *(name for name in old if name not in new)]
    rows = [{"name": name, "before": old.get(name, ""), "after": new.get(name, "")} for name in names]
    return [row for row in rows if row["before"] != row["after"] or _is_number(row["after"])]


def _is_number(text: str) -> bool:
    try:
        return isfinite(float(text))
    except ValueError:
        return False


def _shown(package: Package) -> str:
    """What it has shown, kind by kind, the bad news first."""
    row = badges.of([package])[package.pk]
    words = {word: [badge["label"] for badge in row if badge["word"] == word] for word in ("failed", "passed")}
    return "; ".join(f"{word}: {', '.join(labels)}" for word, labels in words.items() if labels) or "none yet"


def _lately(stable: Package | None, where: Switch | Return) -> Rows:
    """The last 15 minutes of what answers now, and of what comes; the candidate may have been live here before."""
    if stable is None:
        return []
    comes = where.back if isinstance(where, Return) else where.package
    found = traffic.lately(where.environment.name, stable.model.name)
    return [{"name": "Last 15 minutes", "before": _measured(stable, found), "after": _measured(comes, found)}]


def _measured(package: Package | None, found: traffic.Series) -> str:
    if package is None:
        return ""
    tally = found.total(package.number)
    if not tally.starts:
        return "no calls" if found.known else "unknown: Redis is away"
    rate = figures.rate(tally.starts / traffic.LIVE_WINDOW.total_seconds())
    p50, p99 = (figures.duration(tally.quantile(q)) for q in (0.5, 0.99))
    return f"{rate}, {figures.percent(tally.error_rate)} errors, p50 {p50}, p99 {p99}"
