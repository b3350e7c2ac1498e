"""What an upload says of its own making."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from releases.intake import mlflow
from releases.intake.report import Refused
from releases.intake.source import TOLD_MOST, training


def test_text_and_numbers_are_kept_and_figures_stand_beside_them(tmp_path: Path) -> None:
    told = {"recipe": "a line", "figures": {"error_minutes": 7.4}, "rows": 10, "list": [1], "nothing": None}
    (tmp_path / "training.json").write_text(json.dumps(told))
    assert training(tmp_path) == {"recipe": "a line", "rows": 10, "error_minutes": 7.4}


def test_a_long_tale_is_cut(tmp_path: Path) -> None:
    (tmp_path / "training.json").write_text(json.dumps({str(n): "x" * 1000 for n in range(100)}))
    told = training(tmp_path)
    assert len(told) == TOLD_MOST
    assert {len(str(value)) for value in told.values()} == {300}


@pytest.mark.parametrize("text", ["[1]", '"x"', "{", "NaN"])
def test_anything_but_an_object_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "training.json").write_text(text)
    with pytest.raises(Refused, match=r"training\.json"):
        training(tmp_path)


def test_no_file_tells_nothing(tmp_path: Path) -> None:
    assert training(tmp_path) == {}


@pytest.mark.parametrize("named", [None, "predict", "predict_proba", "predict_log_proba", "score"])
def test_an_mlmodel_says_what_is_answered(tmp_path: Path, named: str | None) -> None:
    (tmp_path / "model.skops").touch()
    flavours = {"sklearn": {"serialization_format": "skops"}, "python_function": {"predict_fn": named}}
    (tmp_path / "MLmodel").write_text(json.dumps({"flavors": flavours}))
    if named == "score":
        with pytest.raises(Refused, match="predict_fn “score”"):
            mlflow.read(tmp_path)
    else:
        assert mlflow.read(tmp_path).predict_fn == (named or "predict")
