"""The demo's upload folders, each trained once for all tests that ask for it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import skops.io

from dashboard.demo.recipes import FLIGHT_ETA

TRUSTED = ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor", "sklearn.tree._tree.Tree"]


@pytest.fixture(scope="session")
def package(tmp_path_factory) -> Callable[[int], Path]:
    """Return a function from the number of a flight-eta package to its upload folder."""
    folder, made = tmp_path_factory.mktemp("uploads"), {}

    def get(number: int) -> Path:
        if number not in made:
            made[number] = FLIGHT_ETA[number - 1].write(folder / str(number))
        return made[number]

    return get


@pytest.fixture(scope="session")
def model(package) -> Callable[[int], Any]:
    """Return a function from the number of a flight-eta package to its model, loaded from the upload."""
    return lambda number: skops.io.load(package(number) / "model.skops", trusted=TRUSTED)


@pytest.fixture
def pytester_run() -> Callable[[Path], int]:
    """Return a function that runs an upload's own tests in a fresh interpreter and returns its exit code."""

    def run(folder: Path) -> int:
        command = [sys.executable, "-I", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
        environment = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(command, cwd=folder, env=environment, timeout=60, check=False).returncode

    return run
