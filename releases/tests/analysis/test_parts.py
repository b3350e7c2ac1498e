"""The parts of the judge: bins, dispersion, odds, routing, agreement, effect."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from releases.analysis import agreement
from releases.analysis.batch import Arm, Batch
from releases.analysis.bins import LATENCY, SLOW, cut, slow_edge, slower
from releases.analysis.dispersion import ENOUGH, dispersion
from releases.analysis.effect import Effect, Sums
from releases.analysis.evidence import Evidence, log_average
from releases.analysis.odds import Odds
from releases.analysis.routing import Routing
from releases.analysis.tilt import log_e
from releases.tests.analysis.made import run
from serving.metrics.histogram import TOP, edge

pytestmark = pytest.mark.same_everywhere

histograms = st.dictionaries(st.integers(0, TOP), st.integers(1, 500), min_size=1, max_size=40)


@given(histograms, histograms)
def test_bins_lose_no_count(reference: dict, counted: dict) -> None:
    assert cut(reference, LATENCY).count(counted).sum() == sum(counted.values())


@given(histograms)
def test_ranks_rise_and_stay_below_one(reference: dict) -> None:
    bins = cut(reference, LATENCY)
    assert all(low < high for low, high in zip(bins.ranks, bins.ranks[1:], strict=False))
    assert bins.ranks[0] > 0
    assert bins.ranks[-1] < 1
    assert np.isfinite(bins.savage()).all()


@given(histograms, st.sampled_from(SLOW))
def test_at_most_the_rest_is_slower_than_a_quantile(reference: dict, q: float) -> None:
    if (first := slow_edge(reference, q)) is None:
        return
    above = sum(count for number, count in reference.items() if number >= first)
    assert above <= (1 - q) * sum(reference.values()) + 1e-9


@given(histograms, st.floats(0, 0.1))
def test_a_slower_histogram_is_slower_by_that_much_and_a_bucket_at_most(counted: dict, by: float) -> None:
    moved = slower(counted, by)
    assert sum(moved.values()) == sum(counted.values())
    for number in counted:
        (place,) = slower({number: 1}, by)
        assert place >= number
        # What lies in the old bucket, and takes `by` longer, lies in the new one or below it.
        assert place == TOP or edge(place + 1) >= (edge(number + 1) + by) * (1 - 1e-9)
        assert place in (number, TOP) or edge(place) < edge(number + 1) + by


def test_nothing_moves_by_nothing() -> None:
    assert slower({3: 1, TOP: 2}, 0) == {3: 1, TOP: 2}


def test_dispersion_is_one_by_chance_and_more_where_minutes_differ() -> None:
    dice = np.random.default_rng(1)
    scores = np.array((0.0, 1.0))

    def minutes(noise: float) -> list:
        found = []
        for _ in range(400):
            rate = 0.05 * (dice.gamma(1 / noise**2, noise**2) if noise else 1)
            bad = (dice.binomial(1000, rate), dice.binomial(9000, 0.05))
            found.append((np.array((1000 - bad[0], bad[0])), np.array((9000 - bad[1], bad[1]))))
        return found

    assert dispersion(minutes(0), scores, 2.0) == pytest.approx(1.0, abs=0.15)
    # The variance of 1000 requests at 5 % is 47.5, noise of 20 % adds 100.
    assert dispersion(minutes(0.2), scores, 2.0) == pytest.approx(3.0, abs=0.7)


@given(st.integers(0, ENOUGH))
def test_minutes_that_are_missing_count_as_unknown(known: int) -> None:
    # One request of ten is the candidate's, and it is the bad one: nine times the variance.
    minute = (np.array((0, 1)), np.array((9, 0)))
    wanted = max(1.0, (known * 9 + (ENOUGH - known) * 2.0) / ENOUGH)
    assert dispersion([minute] * known, np.array((0.0, 1.0)), 2.0) == pytest.approx(wanted)


def test_evidence_averages_over_start_times_with_fixed_weights() -> None:
    found = Evidence.of(2, starts=2)
    assert math.exp(found.log()) == pytest.approx(1)
    found.add(np.log((0.5, 0.1)))
    found.restart(1)
    found.add(np.log((8.0, 2.0)))
    # Half on the product since the start, a quarter since the restart, a quarter on the one that has not come.
    assert math.exp(found.log()) == pytest.approx(0.5 * (4 + 0.2) / 2 + 0.25 * (8 + 2) / 2 + 0.25)
    assert Evidence.from_json(found.to_json()).log() == found.log()


def odds_of(batches: list[tuple[tuple[int, int], tuple[int, int]]], limit: float = 2.0) -> Odds:
    odds = Odds.of(limit)
    for ours, theirs in batches:
        odds.add(np.asarray(log_e(ours, theirs, (0, 1), odds.tilts())), 20)
    return odds


def test_the_interval_holds_the_truth_and_shrinks() -> None:
    dice = np.random.default_rng(2)
    outside, widths = 0, []
    for _ in range(60):
        batches = []
        for _ in range(40):
            bad = (int(dice.binomial(400, 3 / 102)), int(dice.binomial(400, 0.01)))
            batches.append(((400 - bad[0], bad[0]), (400 - bad[1], bad[1])))
        low, high = odds_of(batches).interval()
        outside += not low <= 3 <= high
        widths.append(high / low)
    assert outside <= 6
    assert 1.5 < float(np.median(widths)) < 3


def test_an_interval_of_nothing_is_open() -> None:
    assert Odds.of(2.0).interval() == (0.0, math.inf)


def test_a_certificate_needs_requests_and_is_not_given_at_the_limit() -> None:
    good = [((398, 2), (796, 4))] * 60
    at_the_limit = [((392, 8), (796, 8))] * 60
    assert odds_of(good).certificate() > math.log(20)
    assert odds_of(good[:2]).certificate() < math.log(20)
    assert odds_of(at_the_limit).certificate() < 0


@given(st.integers(0, 50), st.floats(0.02, 0.98))
def test_routing_finds_lost_requests_but_no_fault_in_a_weight_that_changes(seed: int, weight: float) -> None:
    dice = np.random.default_rng(seed)
    fair, unfair = Routing(), Routing()
    for number in range(200):
        now = weight if number < 100 else 1 - weight
        ours = int(dice.binomial(1000, now))
        batch = Batch(number, 10, now, Arm(1000 - ours), Arm(ours))
        fair.add(batch)
        unfair.add(Batch(number, 10, now, batch.stable, Arm(int(ours * 0.8))))
    assert fair.log() < math.log(1000)
    assert unfair.log() > math.log(1000)


def test_routing_learns_nothing_where_nothing_is_left_to_chance() -> None:
    found = Routing()
    found.add(Batch(0, 10, 0.0, Arm(100), Arm(0)))
    found.add(Batch(1, 10, 1.0, Arm(0), Arm(100)))
    assert found.log() == pytest.approx(0)


@given(st.integers(0, 400), st.floats(0.001, 0.9))
def test_a_count_is_never_certainly_above_and_below_a_limit(events: int, limit: float) -> None:
    found = (agreement.above(events, 400, limit), agreement.below(events, 400, limit))
    assert min(found) < math.log(20)


def test_disagreement_is_certified_and_found_with_as_many_pairs_as_the_study_says() -> None:
    assert agreement.below(0, 400, 0.01) == pytest.approx(3.17, abs=0.01)
    assert agreement.below(2, 2000, 0.01) > math.log(20)
    assert agreement.above(18, 900, 0.01) > math.log(20) * 0.7
    assert agreement.above(40, 2000, 0.01) > math.log(20)
    assert agreement.worse_label(28, 12) > 0
    assert agreement.worse_label(92, 60) > 0.5
    assert agreement.worse_label(20, 20) < 0


@given(st.integers(0, 300), st.integers(0, 300))
def test_the_interval_of_a_rate_holds_the_rate_that_was_seen(events: int, more: int) -> None:
    assume(events + more)
    low, high = agreement.interval(events, events + more)
    assert 0 <= low <= events / (events + more) <= high <= 1


@pytest.mark.parametrize(("events", "trials", "limit"), [(3, 2, 0.1), (-1, 2, 0.1), (1, 2, 0.0), (1, 2, 1.0)])
def test_counts_and_limits_that_cannot_be_are_refused(events: int, trials: int, limit: float) -> None:
    with pytest.raises(ValueError, match=r"There cannot be|The limit is"):
        agreement.above(events, trials, limit)


def test_effect_knows_the_whole_run_and_the_last_minutes() -> None:
    effect = Effect(300)
    for batch in [*run(3, 90), *run(4, 30, errors=0.1, slower=2.0, first=90)]:
        effect.add(batch, True)
    assert effect.lately().seconds <= 360
    assert effect.whole.odds() < effect.lately().odds()
    assert effect.whole.slower((0.5,)) < 1.6 < effect.lately().slower((0.5,))
    assert Effect.from_json(effect.to_json()).lately() == effect.lately()


def test_odds_that_no_count_gives_are_none_or_beyond_measure() -> None:
    assert math.isnan(Sums().odds())
    only_ours = Sums()
    only_ours.add(Batch(0, 10, 0.5, Arm(5, 5), Arm(5, 5, 2)), True)
    assert only_ours.odds() == math.inf


def test_blocks_add_up_to_the_whole_while_it_is_young() -> None:
    effect = Effect(300)
    for batch in run(5, 12):
        effect.add(batch, True)
    assert effect.lately().fast == effect.whole.fast


def test_an_average_of_logs_is_the_log_of_the_average() -> None:
    assert log_average(np.log((1.0, 3.0))) == pytest.approx(math.log(2))
