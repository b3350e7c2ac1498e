"""Drill: a model that MLflow saved as skops answers in all four environments as scikit-learn does."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import skops.io

from dashboard.tests.drills.material import ENVIRONMENTS
from dashboard.tests.drills.running import Slipway
from releases.tests.models import FLIGHT_ETA, FLIGHTS
from testing.client import GatewayClient

pytestmark = pytest.mark.drill

MODEL = "flight-eta"
NUMBERS, WORDS = ("distance", "month", "hour"), ("carrier", "origin", "dest")
PART = 250
LIMIT = 1e-5  # of the standard deviation of scikit-learn's predictions


def test_an_mlflow_model_answers_as_scikit_learn_does(
    shared: Slipway, folder: Path, tell: Callable[[str], None]
) -> None:
    api, rows = shared.api(), pandas.read_csv(FLIGHTS)
    expected = reference(rows)
    api.post("/models/", name=MODEL)
    number = api.accepted(MODEL, packed(folder / "flight-eta.zip"))
    largest = {}
    for environment in ENVIRONMENTS:
        api.promote(MODEL, number, environment)
        door = shared.production if environment == "production" else shared.others
        with GatewayClient(door, environment, key=api.key(environment), timeout=60) as client:
            largest[environment] = {
                protocol: float(np.abs(np.array(ask(client, rows)) - expected).max() / expected.std())
                for protocol, ask in (("V1", by_v1), ("V2", by_v2))
            }
    words = "; ".join(f"{name} " + ", ".join(f"{p} {d:.1e}" for p, d in by.items()) for name, by in largest.items())
    runtime = api.get(f"/models/{MODEL}/packages/{number}/")["runtime"]
    tell(
        f"MLflow model, {len(rows)} real rows, served by {runtime}, largest difference in standard deviations: {words}"
    )
    assert len(rows) == len(expected) == 1000
    assert max(difference for by in largest.values() for difference in by.values()) <= LIMIT


def packed(path: Path) -> Path:
    """Zip the folder as a person would, with the folder itself inside."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(FLIGHT_ETA.rglob("*")):
            archive.write(file, Path("flight-eta") / file.relative_to(FLIGHT_ETA))
    return path


def reference(rows: pandas.DataFrame) -> np.ndarray:
    """Return what scikit-learn itself predicts."""
    file = FLIGHT_ETA / "model.skops"
    model = skops.io.load(file, trusted=skops.io.get_untrusted_types(file=file))
    return np.asarray(model.predict(rows[[*NUMBERS, *WORDS]]))


def by_v1(client: GatewayClient, rows: pandas.DataFrame) -> list[float]:
    instances = rows[[*NUMBERS, *WORDS]].to_dict("records")
    parts = [instances[start : start + PART] for start in range(0, len(instances), PART)]
    return [value for part in parts for value in client.predict_v1(MODEL, part).predictions]


def by_v2(client: GatewayClient, rows: pandas.DataFrame) -> list[float]:
    parts = [rows[start : start + PART] for start in range(0, len(rows), PART)]
    answers = [client.infer_v2(MODEL, tensors(part)).body["outputs"][0]["data"] for part in parts]
    return [value for answer in answers for value in answer]


def tensors(rows: pandas.DataFrame) -> list[dict[str, Any]]:
    kinds = dict.fromkeys(NUMBERS, "INT64") | dict.fromkeys(WORDS, "BYTES")
    return [
        {"name": name, "shape": [len(rows)], "datatype": kind, "data": rows[name].tolist()}
        for name, kind in kinds.items()
    ]
