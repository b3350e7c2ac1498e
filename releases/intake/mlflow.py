"""Read an MLflow model folder's `MLmodel` ourselves; MLflow is never imported, and its trust list never obeyed."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from releases.intake.report import Refused
from releases.intake.unpack import safe, shown

MLMODEL_MOST = 1024 * 1024
LIMIT_PARTS = 20_000
PREDICT_FNS = ("predict", "predict_proba", "predict_log_proba")
KEPT = ("mlflow_version", "run_id", "model_id", "model_uuid", "utc_time_created", "artifact_path")


@dataclass(frozen=True)
class MlflowModel:
    """What Slipway takes from an MLmodel."""

    model: str
    signature: dict[str, Any] | None
    constraints: dict[str, Any]
    provenance: dict[str, Any]
    versions: dict[str, str]
    predict_fn: str


def read(folder: Path) -> MlflowModel:
    """Raises Refused when it is not a scikit-learn model saved as skops."""
    document = _document(folder / "MLmodel")
    flavours = _mapping(document, "flavors")
    flavour = flavours.get("sklearn")
    if not isinstance(flavour, dict):
        have = ", ".join(shown(str(name)) for name in list(flavours)[:5]) or "none"
        raise Refused("inspect", f"MLmodel has no sklearn flavour (it has {have}); only that one can be served.")
    form = flavour.get("serialization_format") or "pickle"
    if form != "skops":
        raise Refused(
            "inspect",
            f"The model is saved as {shown(str(form))}. Opening a pickle can run any code, so it was refused unopened. "
            "Save it again with serialization_format='skops'.",
        )
    metadata = document.get("metadata")
    return MlflowModel(
        _model_path(folder, flavour),
        _signature(document),
        _constraints(metadata if isinstance(metadata, dict) else {}),
        {key: str(document[key])[:200] for key in KEPT if document.get(key) is not None},
        _versions(flavour, flavours),
        _predict_fn(flavours),
    )


def _document(path: Path) -> dict[str, Any]:
    if path.stat().st_size > MLMODEL_MOST:
        raise Refused("inspect", "MLmodel is larger than 1 MiB.")
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError):
        raise Refused("inspect", "MLmodel cannot be read as YAML.") from None
    if not isinstance(document, dict):
        raise Refused("inspect", "MLmodel must hold a mapping (flavors, signature, …).")
    return document


def _mapping(document: dict[str, Any], key: str) -> dict[str, Any]:
    found = document.get(key)
    return found if isinstance(found, dict) else {}


def _model_path(folder: Path, flavour: dict[str, Any]) -> str:
    path = safe(str(flavour.get("pickled_model") or "model.skops"))
    if not (folder / path).is_file():
        raise Refused("inspect", f"MLmodel names the model file {shown(str(path))}, which is not in the upload.")
    if path.suffix.lower() != ".skops":
        raise Refused("inspect", f"The model file {shown(str(path))} must be a .skops file.")
    return str(path)


def _signature(document: dict[str, Any]) -> dict[str, Any] | None:
    """inputs, outputs and params are JSON text inside the YAML, each of which may be null."""
    texts = _mapping(document, "signature")
    try:
        found = {key: json.loads(texts[key]) for key in ("inputs", "outputs", "params") if texts.get(key)}
    except (ValueError, TypeError, RecursionError):
        raise Refused("inspect", "The signature in MLmodel is not JSON.") from None
    return found if found.get("inputs") else None


def _constraints(metadata: dict[str, Any]) -> dict[str, Any]:
    found = _mapping(_mapping(metadata, "slipway"), "constraints")
    if _parts(found) > LIMIT_PARTS:
        raise Refused("inspect", "The constraints in MLmodel are too large.")
    return found


def _parts(value: Any) -> int:
    """How much a value holds when written out: YAML can cite one part many times."""
    waiting, count = [value], 0
    while waiting and count <= LIMIT_PARTS:
        item = waiting.pop()
        count += 1
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return count


def _predict_fn(flavours: dict[str, Any]) -> str:
    """What MLflow would answer with; raises Refused for what no package can be asked here."""
    named = str(_mapping(flavours, "python_function").get("predict_fn") or PREDICT_FNS[0])
    if named not in PREDICT_FNS:
        known = ", ".join(PREDICT_FNS)
        raise Refused("inspect", f"MLmodel names the predict_fn {shown(named)}; what can be served is {known}.")
    return named


def _versions(flavour: dict[str, Any], flavours: dict[str, Any]) -> dict[str, str]:
    found = {
        "scikit-learn": flavour.get("sklearn_version"),
        "python": _mapping(flavours, "python_function").get("python_version"),
    }
    return {name: str(version)[:40] for name, version in found.items() if version}
