"""What is known about a package, as the rows and pairs that its page shows."""

from __future__ import annotations

import json
from typing import Any

from dashboard import figures
from releases.models import Package

FORMATS = {
    "mlflow": "MLflow model folder, skops",
    "skops": "skops file",
    "onnx": "ONNX file",
    "folder": "folder with a model file",
}
WHERE = {"sd": "of the standard deviation of the model's own answers", "probability": "in probability"}


def about(package: Package) -> list[dict[str, Any]]:
    """Return who, when, how big, and where it comes from, as `components/pairs.html` shows them."""
    by = package.created_by.get_username() if package.created_by else "Slipway"
    known: list[dict[str, Any]] = [
        {"label": "Digest", "value": package.digest, "digest": True},
        {"label": "Registered", "at": package.created_at},
        {"label": "By", "value": by},
        {"label": "Format", "value": FORMATS.get(package.format, package.format)},
        {"label": "Size", "value": f"{figures.size(package.size)} in {len(package.manifest)} files"},
        {"label": "Served form", "value": package.artefact, "digest": True},
        {"label": "Sandbox", "value": package.sandbox.replace("_", " ")},
    ]
    onnx = [{"label": "ONNX", "value": package.onnx_digest, "digest": True}] if package.onnx_digest else []
    notes = [{"label": "Notes", "value": package.notes}] if package.notes else []
    told = [{"label": name, "value": value} for name, value in told_by(package).items()]
    return [*known, *onnx, *notes, *told]


def versions(package: Package) -> list[dict[str, Any]]:
    """Return the libraries that the package names: {name, before, after, note, tone}."""
    return [
        {
            "name": name,
            "before": entry.get("package"),
            "after": entry.get("server"),
            "note": "" if entry.get("same") is not False else "other than it was made with",
            "tone": "warn",
        }
        for name, entry in package.versions.items()
        if entry.get("package")
    ]


def installed(package: Package) -> str:
    """Return the libraries that served it at the intake and that the package does not name."""
    others = [f"{name} {entry['server']}" for name, entry in package.versions.items() if not entry.get("package")]
    return ", ".join(other for other in others if not other.endswith(" None"))


def files(package: Package) -> list[dict[str, Any]]:
    """Return the manifest: {path, size, sha256}."""
    return sorted(package.manifest, key=lambda file: file["path"])


def differences_of(package: Package) -> list[dict[str, Any]]:
    """Return how far ONNX and scikit-learn were apart at the intake; empty where nothing was compared."""
    proof = package.differences
    if not proof:
        return []
    rows = sum(proof.get("rows", {}).values())
    unit = WHERE.get(proof.get("unit", ""), proof.get("unit", ""))
    found = [
        {"label": "Largest difference", "value": f"{proof.get('largest', 0):.2g} {unit}".strip()},
        {"label": "Inputs compared", "value": figures.count(rows)},
    ]
    if proof.get("raised"):
        found.append({"label": "Both refused", "value": f"{figures.count(proof['raised'])} inputs"})
    if proof.get("at_a_step"):
        words = f"{figures.count(proof['at_a_step'])} inputs, up to {proof.get('largest_at_a_step', 0):.2g} {unit}"
        found.append({"label": "At a step of a tree", "value": words})
    return found + [
        {"label": f"Unknown {name}", "value": str(words)} for name, words in (proof.get("impossible") or {}).items()
    ]


def example(package: Package) -> list[dict[str, str]]:
    """Return the first row of the example as a request body, as `components/snippet.html` shows it."""
    body = {"instances": package.example[:1]}
    return [{"label": "Body", "code": json.dumps(body, indent=2, ensure_ascii=False)}] if package.example else []


def told_by(package: Package) -> dict[str, str]:
    """Return whatever the upload says of its origin, by label; nested values as JSON."""
    told = package.provenance.items()
    return {_label(name): _text(value) for name, value in told if value not in (None, "", [], {})}


def _label(name: str) -> str:
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
