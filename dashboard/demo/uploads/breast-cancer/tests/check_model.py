"""Tests that travel with the package: probabilities are probabilities, and the example gets both answers."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io

PACKAGE = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def model():
    return skops.io.load(PACKAGE / "model.skops")


@pytest.fixture
def example() -> pd.DataFrame:
    return pd.DataFrame(**json.loads((PACKAGE / "input_example.json").read_text()))


def test_probabilities_lie_between_0_and_1_and_sum_to_1(model, example):
    probabilities = model.predict_proba(example)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    assert np.allclose(probabilities.sum(axis=1), 1)


def test_the_example_holds_tumours_of_both_kinds(model, example):
    assert set(model.predict(example)) == {"malignant", "benign"}


def test_the_label_is_the_likelier_class(model, example):
    likelier = model.classes_[model.predict_proba(example).argmax(axis=1)]
    assert list(likelier) == list(model.predict(example))
