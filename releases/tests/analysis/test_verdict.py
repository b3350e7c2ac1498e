"""The judge: each verdict where it belongs, never on silence, and the same again from what was stored."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from releases.analysis.batch import Arm, Batch
from releases.analysis.verdict import Judge, Settings, Verdict, replay
from releases.tests.analysis.made import arm, history, run
from serving.metrics.histogram import TOP

pytestmark = pytest.mark.same_everywhere

SHORT = Settings(horizon=600, warm_up=0, restart=120)


def last(batches: Iterable[Batch], settings: Settings = SHORT, known: bool = True) -> Verdict:
    """The verdict after the last batch, or the one that was final before."""
    judge = Judge(settings, history(1) if known else ())
    verdict = None
    for batch in batches:
        verdict = judge.observe(batch)
    assert verdict
    return verdict


def test_the_same_package_is_promoted_at_the_horizon_with_a_certificate() -> None:
    verdict = last(run(2))
    assert (verdict.state, verdict.seconds) == ("promote", 600)
    assert min(verdict.safety.values()) >= SHORT.needed
    assert "Certified as safe" in verdict.reason


def test_it_is_not_promoted_before_the_horizon() -> None:
    assert last(run(2, count=59)).state == "continue"


def test_more_errors_are_rolled_back_and_the_reason_says_by_how_much() -> None:
    verdict = last(run(3, errors=0.05))
    assert (verdict.state, verdict.family) == ("rollback", "errors")
    assert verdict.evidence >= SHORT.needed
    low, high = verdict.interval
    assert 1 <= low < 5.2 < high
    assert verdict.reason.startswith("errors: 1 in ")
    assert verdict.reason.endswith("of 20 needed: rolled back.")


def test_a_slower_candidate_is_rolled_back() -> None:
    verdict = last(run(4, slower=1.3))
    assert (verdict.state, verdict.family) == ("rollback", "latency")
    assert " ms against " in verdict.reason


def test_the_blame_is_not_put_on_the_candidate_when_both_arms_fail() -> None:
    dice = np.random.default_rng(5)
    batches = [Batch(n, 10, 0.25, arm(dice, 300, 0.3, 2.0), arm(dice, 100, 0.3, 2.0)) for n in range(60)]
    assert last(batches).state in ("promote", "hold")


def test_silence_is_neither_promoted_nor_rolled_back() -> None:
    verdict = last(Batch(n, 10, 0.25, Arm(), Arm()) for n in range(200))
    assert (verdict.state, verdict.requests, verdict.interval) == ("hold", 0, None)
    assert verdict.evidence <= 1
    assert "0 of 400 requests" in verdict.reason


def test_too_few_requests_hold() -> None:
    verdict = last(run(6, size=12))
    assert verdict.state == "hold"
    assert "Neither a fault nor safety is proven" in verdict.reason


def test_a_hold_becomes_a_promotion_when_the_proof_comes_later() -> None:
    judge = Judge(SHORT, history(1))
    states = [judge.observe(batch).state for batch in run(7, count=400, size=30)]
    assert states[59] == "hold"
    assert states[-1] == "promote"


def test_lost_requests_make_the_run_invalid() -> None:
    batches = [replace(b, candidate=replace(b.candidate, starts=b.candidate.starts // 2)) for b in run(8, count=20)]
    verdict = last(batches)
    assert verdict.state == "invalid"
    assert "The package is not to blame" in verdict.reason


def test_where_a_key_decides_a_busy_customer_is_no_misrouting() -> None:
    batches = [replace(b, candidate=replace(b.candidate, starts=b.candidate.starts * 2)) for b in run(8)]
    assert last(batches).state == "invalid"
    assert last(batches, replace(SHORT, check_routing=False)).state == "promote"


def test_a_change_of_weight_is_no_misrouting() -> None:
    batches = [*run(9, 20, weight=0.05), *run(9, 20, weight=0.25, first=20), *run(9, 20, weight=0.5, first=40)]
    verdict = last(batches)
    assert verdict.state == "promote"
    assert verdict.routing < 10


def test_a_final_verdict_stands_whatever_comes() -> None:
    judge = Judge(SHORT, history(1))
    found = [judge.observe(batch) for batch in [*run(3, errors=0.2), *run(2, first=60)]]
    assert found[-1].state == "rollback"
    assert found[-1] == found[30]


def test_every_request_failing_is_found_within_two_batches_and_thirty_requests() -> None:
    for known in (True, False):
        batches = [Batch(n, 10, 0.05, Arm(190, 190, 2, {580: 190}), Arm(10, 10, 10, {580: 10})) for n in range(2)]
        verdict = last(batches, Settings(), known)
        assert (verdict.state, verdict.requests <= 30) == ("rollback", True)


def test_hanging_requests_count_as_errors_in_the_top_bucket() -> None:
    dice = np.random.default_rng(10)
    batches = [Batch(n, 10, 0.25, arm(dice, 300), Arm(100, 100, 20, {TOP: 20, 580: 80})) for n in range(20)]
    assert last(batches).state == "rollback"


def test_a_candidate_slower_by_less_than_the_tolerance_is_not_condemned() -> None:
    """A hundred microseconds, and six more."""
    dice = np.random.default_rng(11)

    def quick(count: int, slower: float) -> list[Batch]:
        arms = [(arm(dice, 300, 0.01, 0.001), arm(dice, 100, 0.01, slower)) for _ in range(count)]
        return [Batch(number, 10, 0.25, *each) for number, each in enumerate(arms)]

    past, batches = quick(60, 0.001), quick(60, 0.00106)
    assert replay(SHORT, past, batches)[-1].state == "promote"
    strict = replay(replace(SHORT, tolerance=0, slower_effect=0), past, batches)[-1]
    assert (strict.state, strict.family) == ("rollback", "latency")


def test_a_difference_too_small_to_matter_is_not_rolled_back() -> None:
    batches = list(run(12, size=8000, slower=1.015, weight=0.5))
    certain = replace(SHORT, tolerance=0)
    assert last(batches, replace(certain, slower_effect=0)).state == "rollback"
    verdict = last(batches, certain)
    assert verdict.evidence >= 20
    assert verdict.state == "promote"


def test_noisy_arms_are_tempered_by_what_the_history_showed() -> None:
    dice = np.random.default_rng(13)

    def noisy(count: int) -> list[Batch]:
        found = []
        for number in range(count):
            if number % 6 == 0:
                rates = dice.gamma(4, 0.0025, 2)
            found.append(Batch(number, 10, 0.25, arm(dice, 600, rates[0]), arm(dice, 200, rates[1])))
        return found

    judge = Judge(SHORT, noisy(180))
    assert judge.metrics[0].families[0].dispersion > 1.5
    verdict = [judge.observe(batch) for batch in noisy(60)][-1]
    assert verdict.state in ("promote", "hold")
    assert verdict.dispersion["errors"] > 1.5


def test_without_history_the_first_minutes_are_the_reference_and_no_evidence() -> None:
    judge = Judge(SHORT)
    batches = list(run(14, slower=1.5))
    early = [judge.observe(batch) for batch in batches[:11]]
    assert early[-1].by_family["latency"] == pytest.approx(0.5)
    assert set(early[-1].dispersion) == {"errors"}
    late = [judge.observe(batch) for batch in batches[11:]]
    assert (late[-1].state, late[-1].family) == ("rollback", "latency")
    assert late[-1].dispersion["wilcoxon"] == SHORT.unknown_dispersion


def test_shifted_predictions_hold_or_roll_back_as_asked() -> None:
    batches = list(run(15, lift=6.0))
    assert last(batches).state == "promote"
    held = last(batches, replace(SHORT, drift="hold"))
    assert held.state == "hold"
    assert "the predictions have shifted" in held.reason
    rolled = last(batches, replace(SHORT, drift="rollback"))
    assert (rolled.state, rolled.family, rolled.score) == ("rollback", "drift", "higher")
    assert last(run(16), replace(SHORT, drift="rollback")).state == "promote"


def test_saved_and_restored_after_each_batch_it_says_the_same() -> None:
    for settings in (SHORT, replace(SHORT, drift="hold")):
        for known in (history(1), []):
            one, two = Judge(settings, known), Judge(settings, known)
            for batch in run(17, errors=0.02, count=40):
                two = Judge.from_json(two.to_json())
                first, second = one.observe(batch), two.observe(Batch.from_json(json.dumps(batch.to_json())))
                assert first == second
            assert len(two.to_json()) < 100_000


def test_a_verdict_comes_back_from_json() -> None:
    for verdict in (last(run(2)), last(Batch(n, 10, 0.25, Arm(), Arm()) for n in range(3))):
        assert Verdict.from_json(json.loads(json.dumps(verdict.to_json()))) == verdict


def test_what_if_judges_stored_batches_by_other_settings() -> None:
    batches = list(run(18, errors=0.02, size=800))
    assert replay(SHORT, history(1), batches)[-1].state == "rollback"
    strict = replay(replace(SHORT, alpha=1e-12), history(1), batches)[-1]
    assert strict.state != "rollback"


def test_a_batch_is_taken_in_once() -> None:
    judge = Judge()
    judge.observe(Batch(4, 10, 0.1, Arm(), Arm()))
    for number in (4, 3):
        with pytest.raises(ValueError, match="does not follow batch 4"):
            judge.observe(Batch(number, 10, 0.1, Arm(), Arm()))


def test_the_parts_of_the_evidence_add_up() -> None:
    for drift in ("off", "hold", "rollback"):
        judge = Judge(replace(SHORT, drift=drift), history(1))
        for batch in run(19, count=20):
            verdict = judge.observe(batch)
            parts = sum(part for name, part in verdict.by_family.items() if name != "drift" or drift == "rollback")
            assert verdict.evidence == pytest.approx(parts + (0.2 if drift == "hold" else 0))
        assert math.isfinite(verdict.evidence)


@pytest.mark.parametrize(
    "changes",
    [
        {"alpha": 0},
        {"horizon": 0},
        {"errors_weight": 0.7},
        {"drift": "loud"},
        {"unknown_dispersion": 0.5},
        {"window": -1},
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(changes: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        Settings(**changes)


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ValueError, match="'alhpa'"):
        Settings.from_json({"alhpa": 0.1})


def test_start_times_are_never_many_however_long_the_canary() -> None:
    assert Settings.planned(3600) == Settings()
    assert Settings.planned(30 * 86400).restarts == 23
    with pytest.raises(ValueError, match="restart must be at least"):
        Settings(restart=1e-9)
