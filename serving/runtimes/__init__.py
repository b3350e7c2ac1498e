"""What runs a model: one file per kind, each imported only when a package of its kind is loaded."""

from __future__ import annotations

import json
from pathlib import Path

from serving.artefacts import SIGNATURE, Manifest
from serving.contract import Signature
from serving.runtimes.base import Answer, ModelDied, ModelError, ModelFailed, Runtime

__all__ = ["Answer", "ModelDied", "ModelError", "ModelFailed", "Runtime", "load", "read_signature"]


def read_signature(folder: Path) -> Signature:
    """Return the checked signature of a serving form; raises SignatureError."""
    return Signature.from_json(json.loads((folder / SIGNATURE).read_bytes())).check()


def load(folder: Path, manifest: Manifest, signature: Signature) -> Runtime:
    """Load the model of a verified serving form; raises ModelError in words."""
    if manifest.runtime == "onnx":
        from serving.runtimes.onnx import load_onnx

        return load_onnx(folder / manifest.model_file, manifest, signature)
    if manifest.runtime == "sklearn":
        from serving.runtimes.sklearn import load_sklearn

        return load_sklearn(folder / manifest.model_file, manifest, signature)
    raise ModelError(f"There is no runtime called {manifest.runtime}.")
