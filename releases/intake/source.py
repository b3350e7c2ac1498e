"""What an unpacked upload says about itself: format, model file, signature, example, where it comes from."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from releases.intake import mlflow
from releases.intake.report import Refused
from releases.intake.unpack import shown

TEXT_MOST = 16 * 1024 * 1024
TOLD_MOST = 30
MODEL_SUFFIXES = (".skops", ".onnx")
ADVICE = "A package holds one model: model.skops or model.onnx, or an MLflow folder saved as skops."


@dataclass(frozen=True)
class Source:
    """`signature` is the object as the upload writes it, None when it has none; `example` is raw JSON or None."""

    format: str
    model: str
    signature: dict[str, Any] | None
    constraints: dict[str, Any] = field(default_factory=dict)
    example: Any = None
    provenance: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    predict_fn: str = mlflow.PREDICT_FNS[0]

    @property
    def is_onnx(self) -> bool:
        return self.model.lower().endswith(".onnx")


def describe(folder: Path, kind: str) -> Source:
    """Read the upload's own words; raises Refused when there is not exactly one model, or a file cannot be read."""
    signature = read_json(folder / "signature.json")
    if signature is not None and not isinstance(signature, dict):
        raise Refused("inspect", "signature.json must hold one object with inputs and outputs.")
    example = read_json(folder / "input_example.json")
    if (folder / "MLmodel").is_file():
        found = mlflow.read(folder)
        own = signature if signature is not None else found.signature
        limits = {} if signature is not None else found.constraints
        versions = found.versions | pins(folder)
        return Source("mlflow", found.model, own, limits, example, found.provenance, versions, found.predict_fn)
    model = only_model(folder)
    name = ("onnx" if model.lower().endswith(".onnx") else "skops") if kind == "file" else "folder"
    return Source(name, model, signature, {}, example, training(folder), pins(folder))


def training(folder: Path) -> dict[str, str | float | bool]:
    """What `training.json` says of the model's making, flat: text and numbers, its `figures` among them.

    Raises Refused when the file is no JSON object; what is neither text nor a number is left out.
    """
    told = read_json(folder / "training.json")
    if told is None:
        return {}
    if not isinstance(told, dict):
        raise Refused("inspect", 'training.json must hold one object, such as {"recipe": "…", "figures": {}}.')
    figures = told.pop("figures", {})
    flat = told | (figures if isinstance(figures, dict) else {})
    kept = {name[:60]: value for name, value in flat.items() if isinstance(value, str | int | float)}
    return {name: value[:300] if isinstance(value, str) else value for name, value in list(kept.items())[:TOLD_MOST]}


def only_model(folder: Path) -> str:
    """The one model file at the top of the folder; model.skops and model.onnx win over other names."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    named = [name for name in names if name in ("model.skops", "model.onnx")]
    found = named or [name for name in names if name.lower().endswith(MODEL_SUFFIXES)]
    if not found:
        raise Refused("inspect", f"There is no model file at the top of the upload. {ADVICE}")
    if len(found) > 1:
        raise Refused("inspect", f"There are {len(found)} model files ({', '.join(map(shown, found[:5]))}). {ADVICE}")
    return found[0]


def read_json(path: Path) -> Any:
    """The JSON in a file of the package, None where there is no file; raises Refused when it is not JSON."""
    if not path.is_file():
        return None
    if path.stat().st_size > TEXT_MOST:
        raise Refused("inspect", f"{path.name} is larger than {TEXT_MOST // 1024 // 1024} MiB.")
    try:
        return json.loads(path.read_text("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Refused("inspect", f"{path.name} cannot be read as JSON: {shown(str(error))}.") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def pins(folder: Path) -> dict[str, str]:
    """name → version of every exact pin in requirements.txt."""
    path = folder / "requirements.txt"
    if not path.is_file() or path.stat().st_size > TEXT_MOST:
        return {}
    lines = (line.split("#")[0].split(";")[0].strip() for line in path.read_text("utf-8", "replace").splitlines())
    pairs = (line.split("==", 1) for line in lines if "==" in line)
    return {name.strip().split("[")[0].lower().replace("_", "-"): version.strip()[:40] for name, version in pairs}
