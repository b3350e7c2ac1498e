"""The models of the race, made once: for the peers as joblib and ONNX, for Slipway as packages taken in for real."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from releases import intake
from releases.intake import store
from serving.artefacts import EXAMPLE, SIGNATURE, folder_of, verify, write_serving_form
from serving.routing import Target

ROOT = Path(__file__).parents[2]
# What decides how a package looks: when it changes, the packages are made anew.
SHAPING = (
    "releases/intake",
    "serving/contract",
    "serving/artefacts.py",
    "serving/runtimes",
    "benchmarks/race/models.py",
)
LOGISTIC, FOREST = "logistic", "forest"


@dataclass(frozen=True)
class Model:
    """One model in its folder: `model.joblib`, `model.onnx` (one matrix of float32), and `rows.json` with answers."""

    name: str
    folder: Path

    @cached_property
    def rows(self) -> list[dict[str, float]]:
        return self._told["rows"]

    @cached_property
    def labels(self) -> list[int]:
        return self._told["labels"]

    @cached_property
    def probabilities(self) -> list[list[float]]:
        return self._told["probabilities"]

    @cached_property
    def package(self) -> Target:
        """Slipway's package, as the gateway is told of it: served by ONNX Runtime, since that was proven equal."""
        return self._target("package.json", 1)

    @cached_property
    def left_on_sklearn(self) -> Target:
        """The same model as a package whose conversion was refused: served by scikit-learn."""
        return self._target("package-sklearn.json", 2)

    def copies(self, count: int) -> list[Target]:
        """Return packages that differ in nothing but their digests, so that each is fetched and loaded by itself."""
        source = folder_of(self.folder / "artefacts", self.package.artefact)
        return [self._copy(source, number) for number in range(1, count + 1)]

    def _copy(self, source: Path, number: int) -> Target:
        digest = "sha256:" + hashlib.sha256(f"{self.package.digest} {number}".encode()).hexdigest()
        manifest = verify(source, self.package.artefact)
        artefact = write_serving_form(
            self.folder / "artefacts",
            package=digest,
            runtime=manifest.runtime,
            kind=manifest.kind,
            model=source / manifest.model_file,
            signature=json.loads((source / SIGNATURE).read_text()),
            classes=manifest.classes,
            predict_fn=manifest.predict_fn,
            example=json.loads((source / EXAMPLE).read_text()),
        )
        url = folder_of(self.folder / "artefacts", artefact).as_uri()
        return Target(number, digest, artefact, url, "onnx", "stable", 100.0)

    @cached_property
    def _told(self) -> dict[str, Any]:
        return json.loads((self.folder / "rows.json").read_text())

    def _target(self, name: str, number: int) -> Target:
        told = json.loads((self.folder / name).read_text())
        url = folder_of(self.folder / "artefacts", told["artefact"]).as_uri()
        return Target(number, told["digest"], told["artefact"], url, told["runtime"], "stable", 100.0)


def make(folder: Path) -> dict[str, Model]:
    """Return the models below `folder`, made there unless they are and the code that shapes them is the same."""
    folder = folder.resolve()
    stamp, wanted = folder / "stamp", _shaping()
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        for name, estimator in _estimators().items():
            _write(Model(name, folder / name), estimator)
        stamp.write_text(wanted)
    return {name: Model(name, folder / name) for name in (LOGISTIC, FOREST)}


def _shaping() -> str:
    files = sorted(path for part in SHAPING for path in _python(ROOT / part))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def _python(path: Path) -> list[Path]:
    return [path] if path.is_file() else list(path.rglob("*.py"))


def _estimators() -> dict[str, Any]:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return {
        LOGISTIC: make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        FOREST: RandomForestClassifier(n_estimators=100, random_state=0),
    }


def _write(model: Model, estimator: Any) -> None:
    import joblib
    import skops.io
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    names = [str(name).replace(" ", "_") for name in data.feature_names]
    estimator.fit(data.data, data.target)
    upload = model.folder / "upload"
    upload.mkdir(parents=True)
    joblib.dump(estimator, model.folder / "model.joblib")
    skops.io.dump(estimator, upload / "model.skops")
    _write_rows(model, estimator, names, data.data)
    _write_onnx(model.folder / "model.onnx", estimator, len(names))
    (upload / "signature.json").write_text(json.dumps(signature(names, data.data)))
    (upload / "input_example.json").write_text(json.dumps(model.rows[:5]))
    _take_in(model, upload)


def _write_rows(model: Model, estimator: Any, names: list[str], x: Any) -> None:
    told = {
        "rows": [dict(zip(names, row, strict=True)) for row in x.tolist()],
        "labels": estimator.predict(x).tolist(),
        "probabilities": estimator.predict_proba(x).tolist(),
    }
    (model.folder / "rows.json").write_text(json.dumps(told))


def _write_onnx(path: Path, estimator: Any, width: int) -> None:
    """Write what an expert would serve by hand: one matrix of float32 in, plain arrays out."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    types = [("X", FloatTensorType([None, width]))]
    made = to_onnx(estimator, initial_types=types, options={id(estimator): {"zipmap": False}}, target_opset=21)
    path.write_bytes(made.SerializeToString())


def signature(names: list[str], x: Any) -> dict[str, Any]:
    """Return a signature with the limits that a careful person would set: no negative size, nothing absurdly large."""
    highest = x.max(axis=0).tolist()
    return {
        "inputs": [{"type": "double", "name": name, "required": True} for name in names],
        "outputs": [{"type": "long", "name": "label", "required": True}],
        "metadata": {"constraints": {name: limits(most) for name, most in zip(names, highest, strict=True)}},
    }


def limits(most: float) -> dict[str, float]:
    return {"ge": 0.0, "le": float(f"{2 * most:.2g}")}


def _take_in(model: Model, upload: Path) -> None:
    """Take the upload in as a worker does, then write the same package as if its conversion had been refused."""
    work, packages, artefacts = (model.folder / name for name in ("work", "packages", "artefacts"))
    taken = intake.run(
        upload, work=work, packages=packages, artefacts=artefacts, declared={}, on_step=lambda step: None
    )
    assert taken.runtime == "onnx", taken.runtime_reason
    _tell(model.folder / "package.json", taken.digest, taken.artefact, "onnx")
    result = {
        "runtime": "sklearn",
        "kind": taken.kind,
        "signature": taken.signature,
        "classes": verify(folder_of(artefacts, taken.artefact), taken.artefact).classes,
        "predict_fn": "predict_proba",
        "example": taken.example,
    }
    left = "sha256:" + hashlib.sha256(taken.digest.encode()).hexdigest()
    artefact, _ = store.serving_form(result, upload / "model.skops", work, artefacts, left)
    _tell(model.folder / "package-sklearn.json", left, artefact, "sklearn")


def _tell(path: Path, digest: str, artefact: str, runtime: str) -> None:
    path.write_text(json.dumps({"digest": digest, "artefact": artefact, "runtime": runtime}))
