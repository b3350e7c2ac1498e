"""How two packages of a model differ: signature, files, runtime, versions, provenance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from releases.models import Package
from releases.queries.board import refuses

COLUMNS = ("digest", "format", "runtime", "onnx_digest", "size")


def between(old: Package, new: Package) -> dict[str, Any]:
    """Return `{"from", "to", "same", "refuses", "rows"}`.

    `refuses` says in words which calls the new one refuses that the old one answers; each row is
    `{"part", "name", "from", "to"}`, with null where one side has nothing.
    """
    return {
        "from": old.number,
        "to": new.number,
        "same": old.digest == new.digest,
        "refuses": list(refuses(old, new)),
        "rows": [row for part, left, right in _parts(old, new) for row in _rows(part, left, right)],
    }


def _parts(old: Package, new: Package) -> list[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    return [
        ("package", _columns(old), _columns(new)),
        ("inputs", _inputs(old), _inputs(new)),
        ("outputs", _outputs(old), _outputs(new)),
        ("files", _files(old), _files(new)),
        ("versions", old.versions, new.versions),
        ("provenance", old.provenance, new.provenance),
    ]


def _rows(part: str, left: Mapping[str, Any], right: Mapping[str, Any]) -> list[dict[str, Any]]:
    names = [*left, *(name for name in right if name not in left)]
    pairs = [(name, left.get(name), right.get(name)) for name in names]
    return [{"part": part, "name": name, "from": a, "to": b} for name, a, b in pairs if a != b]


def _columns(package: Package) -> dict[str, Any]:
    return {name: getattr(package, name) for name in COLUMNS}


def _inputs(package: Package) -> dict[str, Any]:
    """Each input with its limits, which stand apart in the signature."""
    limits = (package.signature.get("metadata") or {}).get("constraints") or {}
    inputs = {str(spec.get("name") or "input"): spec for spec in package.signature.get("inputs") or []}
    return {name: {**spec, **limits.get(name, {})} for name, spec in inputs.items()}


def _outputs(package: Package) -> dict[str, Any]:
    outputs = package.signature.get("outputs") or []
    return {str(spec.get("name") or f"output {number}"): spec for number, spec in enumerate(outputs, start=1)}


def _files(package: Package) -> dict[str, Any]:
    return {file["path"]: file["sha256"] for file in package.manifest}
