"""A package's identity: the SHA-256 of its canonical manifest, the same for folder, zip and tar."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

PREFIX = "sha256:"


def manifest(folder: Path) -> list[dict[str, Any]]:
    """Every file below `folder`: path, size in bytes, sha256; sorted by path."""
    return [_entry(folder, path) for path in sorted(_files(folder))]


def digest(entries: list[dict[str, Any]]) -> str:
    """sha256:<hex> of the canonical JSON of a manifest."""
    text = json.dumps(entries, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return PREFIX + hashlib.sha256(text.encode()).hexdigest()


def of_file(path: Path) -> str:
    """sha256:<hex> of one file's bytes."""
    with path.open("rb") as file:
        return PREFIX + hashlib.file_digest(file, "sha256").hexdigest()


def _files(folder: Path) -> list[str]:
    found = []
    for base, _, names in os.walk(folder):
        found += [os.path.relpath(os.path.join(base, name), folder) for name in names]
    return found


def _entry(folder: Path, path: str) -> dict[str, Any]:
    file = folder / path
    return {"path": path, "size": file.stat().st_size, "sha256": of_file(file).removeprefix(PREFIX)}
