"""Batches: what they refuse, and that they come back from JSON as they went."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releases.analysis.batch import Arm, Batch, minutes, total
from serving.metrics.histogram import TOP

pytestmark = pytest.mark.same_everywhere

histograms = st.dictionaries(st.integers(0, TOP), st.integers(1, 50), max_size=6)


@st.composite
def arms(draw: st.DrawFn) -> Arm:
    latency = draw(histograms)
    completions = sum(latency.values()) + draw(st.integers(0, 9))
    return Arm(draw(st.integers(0, 99)), completions, draw(st.integers(0, completions)), latency, draw(histograms))


@given(arms(), arms(), st.integers(0, 10**9), st.floats(0, 1), st.floats(0.1, 60))
def test_a_batch_comes_back_from_json(a: Arm, b: Arm, number: int, weight: float, seconds: float) -> None:
    batch = Batch(number, seconds, weight, a, b)
    assert Batch.from_json(batch.to_json()) == batch
    assert Batch.from_json(json.dumps(batch.to_json())) == batch


@given(st.lists(arms(), max_size=5), st.randoms())
def test_arms_add_up_in_any_order(found: list[Arm], order: object) -> None:
    mixed = list(found)
    order.shuffle(mixed)
    assert total(mixed) == total(found)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"starts": -1}, "below nought"),
        ({"completions": 1, "errors": 2}, "2 errors in 1 completions"),
        ({"completions": 1, "latency": {3: 2}}, "more latencies"),
        ({"completions": 1, "latency": {940: 1}}, "0 to 939"),
    ],
)
def test_impossible_counts_are_refused_in_words(changes: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Arm(**changes)


@pytest.mark.parametrize(("weight", "seconds", "words"), [(5, 10, "5 % is 0.05"), (0.1, 0, "some seconds")])
def test_impossible_batches_are_refused_in_words(weight: float, seconds: float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Batch(0, seconds, weight, Arm(), Arm())


def test_minutes_add_up_what_belongs_together() -> None:
    batches = [Batch(n, 10, 0.1, Arm(n, n), Arm(1, 1)) for n in range(13)]
    found = minutes(batches)
    assert [(stable.starts, candidate.starts) for stable, candidate in found] == [(15, 6), (51, 6)]
