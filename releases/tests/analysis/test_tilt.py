"""The e-value of a batch: golden values, brute force, and the promise that it does not favour the guilty verdict."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from releases.analysis.tilt import FEW, _log_mean_of_many, _log_mean_of_two, log_e

pytestmark = pytest.mark.same_everywhere

GOLDEN = [
    ((47, 3), (933, 17), (0, 1), math.log(3), 1.41900403),
    ((50, 0), (930, 20), (0, 1), math.log(2), -0.96768638),
    ((10, 20, 15, 5), (200, 300, 180, 20), (0.125, 0.375, 0.75, 0.98), 1.2, 2.29764052),
    ((10, 20, 15, 5), (200, 300, 180, 20), (0.125, 0.375, 0.75, 0.98), -1.2, -6.57196315),
    ((0, 10), (990, 0), (0, 1), math.log(20), 28.32469206),
    ((480, 20), (480, 20), (0, 1), math.log(2), -2.26854008),
    ((1, 2, 1), (3, 1, 2), (0, 0.5, 1), 1.2, -0.08798603),
]
small_counts = st.lists(st.integers(0, 4), min_size=3, max_size=3)
SCORES = np.array((0.0, 0.4, 1.0))


@pytest.mark.parametrize(("h_c", "h_b", "scores", "lam", "value"), GOLDEN)
def test_the_golden_values(h_c: tuple, h_b: tuple, scores: tuple, lam: float, value: float) -> None:
    assert log_e(h_c, h_b, scores, lam) == pytest.approx(value, abs=1e-6)


def enumerated(pooled: np.ndarray, drawn: int, lam: float) -> float:
    """The mean over every sample, one by one."""
    each = np.repeat(SCORES, pooled)
    sums = [math.fsum(sample) for sample in itertools.combinations(each, drawn)]
    return math.log(math.fsum(math.exp(lam * found) for found in sums) / len(sums))


@given(small_counts, small_counts, st.floats(-3, 3))
def test_it_equals_the_enumeration_of_every_sample(h_c: list, h_b: list, lam: float) -> None:
    candidate, stable = np.array(h_c), np.array(h_b)
    drawn, size = int(candidate.sum()), int((candidate + stable).sum())
    if size > 14:
        return
    if drawn in (0, size):
        assert log_e(h_c, h_b, SCORES, lam) == 0
        return
    wanted = lam * float(SCORES @ candidate) - enumerated(candidate + stable, drawn, lam)
    assert log_e(h_c, h_b, SCORES, lam) == pytest.approx(wanted, abs=1e-9)


@given(st.integers(1, 3000), st.integers(1, 3000), st.floats(0.01, 0.99), st.floats(-4, 4))
def test_both_ways_to_the_mean_agree(good: int, bad: int, part: float, lam: float) -> None:
    drawn = max(1, min(good + bad - 1, int(part * (good + bad))))
    two = _log_mean_of_two(good, bad, drawn, np.array([lam]))
    many = _log_mean_of_many(np.array([good, bad], dtype=float), drawn, np.array([0.0, 1.0]), np.array([lam]))
    assert many[0] == pytest.approx(two[0], abs=1e-8)


@given(st.lists(st.integers(0, 6), min_size=3, max_size=3), st.floats(0.1, 3))
def test_its_mean_is_one_when_the_candidate_is_a_random_sample(pooled: list, lam: float) -> None:
    """Over all samples of the pooled requests, each as often as chance gives it."""
    m = np.array(pooled)
    size = int(m.sum())
    for drawn in range(1, size):
        total = 0.0
        for sample in itertools.product(*(range(count + 1) for count in pooled)):
            if sum(sample) == drawn:
                ways = math.prod(math.comb(count, k) for count, k in zip(pooled, sample, strict=True))
                total += ways * math.exp(float(log_e(sample, m - np.array(sample), SCORES, lam)))
        assert total / math.comb(size, drawn) == pytest.approx(1, abs=1e-9)


@given(small_counts, small_counts, st.floats(0.1, 3))
def test_a_candidate_request_that_gets_worse_never_lowers_it(h_c: list, h_b: list, lam: float) -> None:
    if not h_c[0]:
        return
    worse = [h_c[0] - 1, h_c[1] + 1, h_c[2]]
    assert log_e(worse, h_b, SCORES, lam) >= log_e(h_c, h_b, SCORES, lam) - 1e-9


@given(small_counts, small_counts, st.floats(-3, 3), st.floats(-5, 5))
def test_only_differences_of_scores_count(h_c: list, h_b: list, lam: float, shift: float) -> None:
    moved = log_e(h_c, h_b, SCORES + shift, lam)
    assert moved == pytest.approx(log_e(h_c, h_b, SCORES, lam), abs=1e-8)


def test_many_tilts_at_once_are_the_same_as_one_by_one() -> None:
    tilts = np.array((-2.0, 0.15, 1.2, 3.5))
    found = log_e((5, 9, 2), (90, 80, 10), SCORES, tilts)
    assert found.shape == (4,)
    assert found.tolist() == [pytest.approx(log_e((5, 9, 2), (90, 80, 10), SCORES, lam), abs=1e-11) for lam in tilts]


def test_huge_batches_stay_finite() -> None:
    found = log_e((500_000, 50_000), (500_000, 50_001), (0, 1), np.log((1.1, 20.0)))
    assert np.isfinite(found).all()
    assert FEW < 50_000


@pytest.mark.parametrize(
    ("h_c", "h_b", "scores"), [((1, 2), (1, 2, 3), (0, 1)), ((1, 2), (1, 2), (0, 1, 2)), ((-1, 2), (1, 2), (0, 1))]
)
def test_what_does_not_fit_is_refused(h_c: tuple, h_b: tuple, scores: tuple) -> None:
    with pytest.raises(ValueError, match="count"):
        log_e(h_c, h_b, scores, 1.0)
