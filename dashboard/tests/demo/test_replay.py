"""Replayed rows are real, in the order of time, and meet the signature of their model."""

import itertools
import json

import pytest

from dashboard.demo import flights, replay, upload


@pytest.mark.parametrize("model", sorted(replay.ROWS))
def test_every_replayed_row_meets_the_signature(model):
    signature = upload.signature(model)
    names = [column["name"] for column in signature["inputs"]]
    limits = signature["metadata"]["constraints"]
    for row in replay.ROWS[model]():
        assert list(row) == names
        for name, value in row.items():
            assert value > limits[name].get("gt", float("-inf")) if isinstance(value, int | float) else value
            assert value >= limits[name].get("ge", float("-inf")) if isinstance(value, int | float) else value
            assert value in limits[name].get("values", [value])


def test_flights_are_replayed_as_they_left_and_from_the_start_again():
    sent = [json.loads(body)["instances"] for body in itertools.islice(replay.bodies("flight-eta"), 10_508)]
    flown = [[flight.features()] for flight in flights.read(flights.TRAFFIC)]
    assert sent == flown + flown[:2]
