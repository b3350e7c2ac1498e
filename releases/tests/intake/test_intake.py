"""Uploads of every accepted form become one immutable package, and answer as the model that was trained."""

import csv
import json
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from releases import intake, sandbox
from releases.intake import running
from releases.tests import models
from releases.tests.sandbox.test_sandbox import STRONG, need
from serving import runtimes
from serving.artefacts import folder_of, verify
from serving.contract import Decoder

DONE = ["unpack", "digest", "inspect", "load", "predict", "convert", "prove", "versions", "store"]


@dataclass
class Shelf:
    """The three folders of one test, and every step that was said."""

    root: Path
    said: list[intake.Step] = field(default_factory=list)

    def take(self, upload: Path, declared: Mapping[str, Any] | None = None) -> intake.Accepted:
        folders = {name: self.root / name for name in ("work", "packages", "artefacts")}
        return intake.run(upload, **folders, declared=declared or {}, on_step=self.said.append)

    def remains(self) -> list[str]:
        folders = [self.root / name for name in ("work", "packages", "artefacts")]
        return [path.name for folder in folders if folder.exists() for path in folder.iterdir()]

    def served(self, accepted: intake.Accepted) -> tuple[Decoder, runtimes.Runtime]:
        """The package as a gateway loads it."""
        folder = folder_of(self.root / "artefacts", accepted.artefact)
        signature = runtimes.read_signature(folder)
        return Decoder(signature), runtimes.load(folder, verify(folder, accepted.artefact), signature)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


@pytest.fixture(scope="module")
def flight(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shelf, intake.Accepted]:
    """The MLflow fixture, zipped inside a folder of its own, taken in once."""
    shelf = Shelf(tmp_path_factory.mktemp("flight"))
    path = shelf.root / "flight-eta.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in models.FLIGHT_ETA.iterdir():
            archive.write(file, f"flight-eta/{file.name}")
    return shelf, shelf.take(path)


def flights() -> list[dict[str, Any]]:
    words = ("carrier", "origin", "dest")
    with models.FLIGHTS.open() as file:
        rows = [{key: value for key, value in row.items() if key != "air_time"} for row in csv.DictReader(file)]
    return [{key: value if key in words else int(value) for key, value in row.items()} for row in rows]


def test_an_mlflow_model_answers_1000_real_flights_as_scikit_learn_does(flight: tuple[Shelf, intake.Accepted]) -> None:
    import pandas as pd
    import skops.io

    shelf, accepted = flight
    decoder, runtime = shelf.served(accepted)
    rows = flights()
    model = skops.io.load(models.FLIGHT_ETA / "model.skops", trusted=list(running_types()))
    wanted = model.predict(pd.DataFrame(rows))
    given = runtime.predict(decoder.batch(rows)).values
    assert (accepted.format, accepted.runtime, len(rows)) == ("mlflow", "onnx", 1000)
    assert given is not None
    assert np.abs(given - wanted).max() / wanted.std() < 1e-5


def running_types() -> tuple[str, ...]:
    from serving.runtimes.trusted import TRUSTED_TYPES

    return TRUSTED_TYPES


def test_its_steps_are_told_in_order_and_each_runs_before_it_passes(flight: tuple[Shelf, intake.Accepted]) -> None:
    shelf, accepted = flight
    states = {name: [step.state for step in shelf.said if step.name == name] for name in DONE}
    assert list(dict.fromkeys(step.name for step in shelf.said)) == DONE
    assert [step.name for step in accepted.steps] == DONE
    assert all(seen[0] == "running" and seen[-1] == "passed" for seen in states.values())


def test_the_report_says_how_equal_and_with_which_versions(flight: tuple[Shelf, intake.Accepted]) -> None:
    _, accepted = flight
    figures = accepted.differences
    assert figures["rows"]["drawn"] == 2000
    assert 0 < figures["largest"] < 1e-5
    assert set(figures["impossible"]) == {"carrier", "origin", "dest"}
    assert accepted.versions["scikit-learn"]["package"] == "1.9.1"
    assert accepted.provenance["mlflow_version"] == "3.17.2"
    assert accepted.runtime_reason.startswith("Served by ONNX Runtime, proven equal to scikit-learn")


def test_the_final_signature_is_a_file_of_the_package_with_its_limits(flight: tuple[Shelf, intake.Accepted]) -> None:
    _, accepted = flight
    written = json.loads((accepted.folder / "signature.json").read_text())
    assert written == accepted.signature
    assert written["metadata"]["constraints"]["origin"] == {"values": ["EWR", "JFK", "LGA"]}
    assert "signature.json" in [entry["path"] for entry in accepted.manifest]


def test_a_stored_package_uploaded_again_as_tar_is_the_same_package(flight: tuple[Shelf, intake.Accepted]) -> None:
    shelf, accepted = flight
    path = shelf.root / "again.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(accepted.folder, arcname=".")
    again = shelf.take(path)
    assert (again.digest, again.artefact) == (accepted.digest, accepted.artefact)
    assert again.steps[-1].detail == "the same files were stored before; nothing is stored twice"
    assert len(list((shelf.root / "packages").iterdir())) == len(list((shelf.root / "artefacts").iterdir())) == 1


@pytest.mark.parametrize("tier", STRONG)
def test_an_intake_works_on_every_strong_tier(tier: str, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    need(tier)
    monkeypatch.setenv(sandbox.FORCE, tier)
    path = shelf.root / "travel-time.onnx"
    path.write_bytes(models.travel_time())
    assert shelf.take(path, models.TRAVEL_TIME_LIMITS).sandbox == tier


def test_an_onnx_file_is_served_with_the_limits_of_the_form(shelf: Shelf) -> None:
    path = shelf.root / "travel-time.onnx"
    path.write_bytes(models.travel_time())
    accepted = shelf.take(path, models.TRAVEL_TIME_LIMITS)
    decoder, runtime = shelf.served(accepted)
    assert (accepted.format, accepted.runtime, accepted.kind) == ("onnx", "onnx", "regressor")
    values = runtime.predict(decoder.batch([{"distance": 100.0, "speed": 8}])).values
    assert values is not None
    assert values.tolist() == [12.5]
    assert accepted.signature["metadata"]["constraints"]["speed"]["gt"] == 0


def test_other_limits_in_the_form_make_another_package(shelf: Shelf) -> None:
    path = shelf.root / "travel-time.onnx"
    path.write_bytes(models.travel_time())
    one, two = shelf.take(path, models.TRAVEL_TIME_LIMITS), shelf.take(path, {"constraints": {"speed": {"ge": 1}}})
    assert one.digest != two.digest


def test_a_single_skops_classifier_says_its_own_inputs_and_classes(shelf: Shelf) -> None:
    import pandas as pd
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = models.table()
    frame = pd.DataFrame(x, columns=["a", "b", "c"])
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, np.where(y > y.mean(), "high", "low"))
    path = shelf.root / "upload.skops"
    path.write_bytes(models.skops_bytes(model))
    accepted = shelf.take(path)
    decoder, runtime = shelf.served(accepted)
    answer = runtime.predict(decoder.batch([{"a": 1, "b": 0, "c": 0.5}]))
    assert [item["name"] for item in accepted.signature["inputs"]] == ["a", "b", "c"]
    assert (accepted.format, accepted.kind, accepted.runtime) == ("skops", "classifier", "onnx")
    assert (answer.labels, answer.classes) == (["high"], ["high", "low"])
    assert accepted.differences["largest"] < 1e-5


@pytest.mark.parametrize(
    ("child", "words"),
    [
        ("import ctypes; ctypes.string_at(0)", r"crashed the process in which it was inspected \(signal 11\)"),
        ("import time; time.sleep(60)", "took longer than"),
        ("import os; os.symlink('/etc/passwd', 'result.json')", "left no result"),
        ("import os; os.mkfifo('result.json')", "cannot be read"),
        ("raise ValueError('odd')", "failed: ValueError: odd"),
        ('print(\'{"step": "load", "state": "refused", "detail": "no\\\\u0007pe"}\')', "^nope$"),
    ],
)
def test_however_the_child_ends_the_upload_is_refused_in_words(
    child: str, words: str, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = shelf.root / "work" / "child.py"
    script.parent.mkdir()
    script.write_text(child)
    monkeypatch.setenv("SLIPWAY_SANDBOX", "none")
    monkeypatch.setattr(running, "CHILD", script)
    monkeypatch.setattr(running, "LIMITS", running.sandbox.Limits(seconds=2 if "sleep" in child else 60))
    upload = models.folder(shelf.root / "upload", {"model.onnx": models.travel_time()})
    with pytest.raises(intake.Refused, match=words):
        shelf.take(upload)
    script.unlink()
    assert shelf.remains() == []


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"README.md": "hello"}, "no model file"),
        ({"a.onnx": b"x", "b.onnx": b"x"}, "2 model files"),
        ({"model.onnx": b"x", "signature.json": "{"}, "signature.json cannot be read as JSON"),
        ({"model.onnx": b"x", "signature.json": '{"inputs": 3}'}, "signature cannot be read"),
        ({"model.onnx": b"x", "signature.json": models.signature(("a", "blob"))}, "type blob is not served"),
        ({"model.onnx": b"nothing", "signature.json": models.signature(("a", "double"))}, "is not an ONNX file"),
        ({"MLmodel": "flavors:\n  pytorch: {}\n", "model.skops": b"x"}, "no sklearn flavour"),
    ],
)
def test_a_package_that_makes_no_sense_is_refused_in_words(
    files: dict[str, bytes | str], words: str, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "MLmodel" in files:
        files = {**files, "model.skops": models.skops_bytes(models.tree())}
    with pytest.raises(intake.Refused, match=words):
        shelf.take(models.folder(shelf.root / "upload", files))
    assert shelf.remains() == []


def test_the_upload_itself_is_left_alone(shelf: Shelf) -> None:
    upload = models.folder(shelf.root / "upload", {"model.onnx": models.travel_time()})
    shelf.take(upload)
    assert [path.name for path in upload.iterdir()] == ["model.onnx"]


def test_everything_is_removed_when_the_process_of_the_intake_fails(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(running, "run", broken)
    upload = models.folder(shelf.root / "upload", {"model.onnx": models.travel_time()})
    with pytest.raises(OSError, match="no space left"):
        shelf.take(upload)
    assert shelf.remains() == []
