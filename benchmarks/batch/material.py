"""The file and the models: real flights, again and again until there are enough, and the demo's packages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dashboard.demo.flights import FEATURES, frame
from dashboard.demo.recipes import flight_eta
from releases.intake import examine, source
from serving.artefacts import folder_of, write_serving_form
from serving.routing import Target
from serving.runtimes.trusted import TRUSTED_TYPES
from serving.tests.builders import digest

TEXTS = ("carrier", "origin", "dest")


def rows(path: Path, count: int) -> Path:
    """Write `count` flights of all months as CSV, in the demo's order of columns, with a number in front."""
    if path.exists():
        return path
    flights = frame(range(1, 13))
    flights["distance"] = flights["distance"].astype(int)
    lines = flights[list(FEATURES)].to_csv(header=False, index=False).splitlines()
    with path.open("w") as sink:
        sink.write(f"id,{','.join(FEATURES)}\n")
        sink.writelines(f"{number},{lines[number % len(lines)]}\n" for number in range(count))
    return path


def package(folder: Path, number: int) -> tuple[Target, Path, Path]:
    """Train and take in package `number` of the demo; return its target, and the model as ONNX and as joblib."""
    upload, told = folder / f"package-{number}", folder / f"package-{number}.json"
    onnx, joblib = folder / f"{number}.onnx", folder / f"{number}.joblib"
    if not told.exists():
        _make(upload, number, onnx, joblib, told)
    found = json.loads(told.read_text())
    url = folder_of(folder / "artefacts", found["artefact"]).as_uri()
    return Target(number, found["digest"], found["artefact"], url, found["runtime"], "stable", 100.0), onnx, joblib


def _make(upload: Path, number: int, onnx: Path, dumped: Path, told: Path) -> None:
    import joblib
    import skops.io

    flight_eta.write(upload, number)
    joblib.dump(skops.io.load(upload / "model.skops", trusted=list(TRUSTED_TYPES)), dumped)
    result = _examined(upload, onnx)
    (onnx.parent / "artefacts").mkdir(exist_ok=True)
    form = write_serving_form(
        onnx.parent / "artefacts",
        package=digest(upload.name),
        runtime=result["runtime"],
        kind=result["kind"],
        model=onnx if result["runtime"] == "onnx" else upload / "model.skops",
        signature=result["signature"],
        classes=result["classes"],
        predict_fn="predict",
        example=result["example"],
    )
    told.write_text(json.dumps({"digest": digest(upload.name), "artefact": form, "runtime": result["runtime"]}))


def _examined(folder: Path, onnx: Path) -> dict[str, Any]:
    files = source.describe(folder, "folder")
    job = {"package": str(folder), "model": files.model, "onnx": False, "files": 1, "trusted": list(TRUSTED_TYPES)}
    job |= {"signature": files.signature, "constraints": files.constraints, "declared": {}, "example": files.example}
    return examine.examine(job | {"predict_fn": files.predict_fn}, onnx, lambda *_: None)
