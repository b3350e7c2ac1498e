"""The committed flights are what SOURCE.md says."""

import gzip
import hashlib
from collections import Counter

import pytest

from dashboard.demo import flights

ALL = range(1, 13)


@pytest.fixture(scope="module")
def year() -> list[flights.Flight]:
    return list(flights.read(ALL))


def test_there_are_60000_flights_and_every_month_has_thousands(year):
    months = Counter(flight.month for flight in year)
    assert len(year) == 60_000
    assert sorted(months) == list(ALL)
    assert min(months.values()) > 4_000


def test_the_checksum_of_the_source_note_is_that_of_the_file():
    digest = hashlib.sha256(gzip.decompress(flights.FILE.read_bytes())).hexdigest()
    assert digest in (flights.FILE.parent / "SOURCE.md").read_text()


def test_flights_come_in_the_order_of_time(year):
    times = [(flight.month, flight.day, flight.hour) for flight in year]
    assert times == sorted(times)


def test_training_and_traffic_share_no_month(year):
    assert not set(flights.TRAIN) & set(flights.TRAFFIC)
    assert sum(flight.month in flights.TRAIN for flight in year) == 29_594
    assert sum(flight.month in flights.TRAFFIC for flight in year) == 10_506


def test_every_value_lies_where_the_facts_say(year):
    assert {flight.origin for flight in year} == {"EWR", "JFK", "LGA"}
    assert len({flight.carrier for flight in year}) == 16
    assert all(80 <= flight.distance <= 4983 for flight in year)
    assert all(20 <= flight.air_time <= 695 for flight in year)
    assert all(5 <= flight.hour <= 23 for flight in year)


def test_what_a_client_sends_does_not_hold_the_answer():
    flight = next(flights.read(flights.TRAFFIC))
    assert tuple(flight.features()) == flights.FEATURES


def test_the_frame_holds_the_same_flights_as_the_reader():
    frame = flights.frame(range(7, 8))
    assert [tuple(row) for row in frame.itertuples(index=False)] == [tuple(row) for row in flights.read([7])]
