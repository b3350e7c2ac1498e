"""Lay out what a developer would upload: a folder with model, signature, example, requirements and tests."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dashboard.demo.skops_file import pack

UPLOADS = Path(__file__).parent / "uploads"


@dataclass(frozen=True)
class Example:
    """Rows of input in MLflow's split form: names, and one list of values for each row."""

    columns: list[str]
    data: list[list[Any]]


def signature(model: str) -> dict[str, Any]:
    """Return the signature that every package of this demo model declares."""
    found: dict[str, Any] = json.loads((UPLOADS / model / "signature.json").read_text())
    return found


def lay_out(model: str, folder: Path, example: Example, requirements: list[str], training: dict[str, Any]) -> Path:
    """Fill `folder` with all but the model file itself and return it; an older content of the folder is removed.

    `training` says how the model was made and what it reached; it is written as `training.json`.
    """
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "tests").mkdir(parents=True)
    shutil.copyfile(UPLOADS / model / "signature.json", folder / "signature.json")
    shutil.copyfile(UPLOADS / model / "tests" / "check_model.py", folder / "tests" / "test_model.py")
    _write_json(folder / "input_example.json", {"columns": example.columns, "data": example.data})
    _write_json(folder / "training.json", training)
    pins = sorted(f"{name}=={version(name)}\n" for name in requirements)
    (folder / "requirements.txt").write_text("".join(pins))
    return folder


def zipped(folder: Path) -> bytes:
    """Return the folder as a zip: the same files, the same bytes."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return pack({path.relative_to(folder).as_posix(): path.read_bytes() for path in files})


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")
