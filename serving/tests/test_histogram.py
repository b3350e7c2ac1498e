"""Histograms merge exactly, and a quantile is right to a bucket."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.metrics import histogram
from serving.metrics.histogram import GROWTH, TOP, bucket, edge, merge, quantile

histograms = st.dictionaries(st.integers(0, TOP), st.integers(0, 1000), max_size=8)
latencies = st.lists(st.floats(1e-6, 119.0), min_size=1, max_size=60)


@given(histograms, histograms, histograms)
def test_merging_is_commutative_and_associative(a: dict, b: dict, c: dict) -> None:
    assert merge([a, b]) == merge([b, a])
    assert merge([merge([a, b]), c]) == merge([a, merge([b, c])]) == merge([a, b, c])


@given(st.integers(0, TOP))
def test_a_buckets_own_edge_lies_in_it(number: int) -> None:
    assert bucket(edge(number)) == number


@given(st.floats(1e-6, 119.0))
def test_a_latency_lies_between_the_edges_of_its_bucket(seconds: float) -> None:
    number = bucket(seconds)
    assert edge(number) * (1 - 1e-9) <= seconds <= edge(number + 1) * (1 + 1e-9)


@given(latencies, st.floats(0.01, 1.0))
def test_a_quantile_is_within_one_buckets_growth_of_the_true_one(values: list[float], q: float) -> None:
    counted = merge([{bucket(value): 1} for value in values])
    true = sorted(values)[max(1, math.ceil(q * len(values))) - 1]
    found = quantile(counted, q)
    assert found is not None
    assert true / GROWTH <= found <= true * GROWTH


def test_the_range_reaches_from_a_microsecond_to_two_minutes() -> None:
    assert bucket(0) == bucket(1e-7) == 0
    assert bucket(120) == bucket(1e9) == TOP
    assert edge(TOP + 1) > 120


def test_nothing_counted_has_no_quantile() -> None:
    assert quantile({}, 0.5) is None


@given(st.floats(1e-6, 1e12))
def test_numbers_fall_into_signed_buckets_of_one_percent(value: float) -> None:
    number = histogram.number_bucket(value)
    assert histogram.number_bucket(-value) == -number
    assert histogram.number_edge(number) == pytest.approx(value, rel=0.0101)


@given(st.floats(0, 1))
def test_probabilities_fall_into_two_hundred_linear_buckets(value: float) -> None:
    assert abs(histogram.probability_bucket(value) / 200 - value) <= 1 / 200 + 1e-12
