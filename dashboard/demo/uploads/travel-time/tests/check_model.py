"""Tests that travel with the package: time is distance over speed."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

PACKAGE = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def session() -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(PACKAGE / "model.onnx", providers=["CPUExecutionProvider"])


def time(session, distance: list[float], speed: list[float]) -> list[float]:
    feeds = {"distance": np.array(distance)[:, None], "speed": np.array(speed)[:, None]}
    return list(session.run(None, feeds)[0].ravel())


def test_100_km_at_50_km_an_hour_take_two_hours(session):
    assert time(session, [100.0], [50.0]) == [2.0]


def test_the_example_is_answered_by_the_formula(session):
    example = json.loads((PACKAGE / "input_example.json").read_text())
    distance, speed = (list(column) for column in zip(*example["data"], strict=True))
    assert time(session, distance, speed) == pytest.approx([d / s for d, s in zip(distance, speed, strict=True)])


def test_twice_the_speed_takes_half_the_time(session):
    slow, fast = time(session, [90.0, 90.0], [30.0, 60.0])
    assert slow == 2 * fast
