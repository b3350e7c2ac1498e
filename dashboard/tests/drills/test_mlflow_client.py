"""Drill: MLflow's own scoring client, unchanged, talks to the door at the root; MLflow's users to a model's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas
import pytest

from dashboard.tests.drills import clients
from dashboard.tests.drills.running import Slipway, slipway
from dashboard.tests.drills.test_mlflow import LIMIT, MODEL, packed, reference
from releases.tests.models import FLIGHTS

pytestmark = pytest.mark.drill

ROWS = 1000


@pytest.fixture
def named() -> Iterator[Slipway]:
    """An installation whose production gateway answers MLflow's own addresses."""
    with slipway(MLFLOW_MODEL=f"production/{MODEL}") as running:
        running.start()
        yield running


def test_mlflows_own_client_is_answered_as_scikit_learn_answers(
    named: Slipway, folder: Path, tell: Callable[[str], None]
) -> None:
    api = named.api()
    api.post("/models/", name=MODEL)
    number = api.accepted(MODEL, packed(folder / "flight-eta.zip"))
    for environment in ("dev", "test", "staging", "production"):
        api.promote(MODEL, number, environment)
    # The client sends no header of its own, and takes the key from the address.
    door = f"any:{api.key('production')}@{named.production.removeprefix('http://')}"
    found = clients.ask("client_mlflow.py", door, f"{named.others}/dev/mlflow/{MODEL}", str(FLIGHTS), str(ROWS))
    expected = reference(pandas.read_csv(FLIGHTS))
    largest = {
        way: float(np.abs(np.array(predictions, float) - expected).max() / expected.std())
        for way, predictions in found["ways"].items()
    }
    words = ", ".join(f"{way} {difference:.0e}" for way, difference in largest.items())
    tell(f"MLflow's client {found['version']}, {ROWS} real rows, largest difference in standard deviations: {words}")
    assert max(largest.values()) <= LIMIT
    assert "error code 422" in found["refused"]
    assert "rows[1].month: must be a whole number" in found["refused"]
