"""Tests that travel with the package: the model loads, answers its own example, and takes longer for longer flights."""

import json
from pathlib import Path

import pandas as pd
import pytest
import skops.io

PACKAGE = Path(__file__).resolve().parent.parent
TRUSTED = [
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
]


@pytest.fixture(scope="module")
def model():
    return skops.io.load(PACKAGE / "model.skops", trusted=TRUSTED)


@pytest.fixture
def example() -> pd.DataFrame:
    return pd.DataFrame(**json.loads((PACKAGE / "input_example.json").read_text()))


def test_the_example_has_the_columns_of_the_signature(example):
    signature = json.loads((PACKAGE / "signature.json").read_text())
    assert list(example.columns) == [column["name"] for column in signature["inputs"]]


def test_each_flight_of_the_example_gets_a_plausible_time(model, example):
    minutes = model.predict(example)
    assert minutes.shape == (len(example),)
    assert (minutes > 15).all()
    assert (minutes < 720).all()


def test_the_longest_flight_of_the_example_takes_hours_more_than_the_shortest(model, example):
    minutes = model.predict(example)
    assert minutes[example["distance"].argmax()] - minutes[example["distance"].argmin()] > 120


def test_the_same_question_gets_the_same_answer_twice(model, example):
    assert (model.predict(example) == model.predict(example)).all()
