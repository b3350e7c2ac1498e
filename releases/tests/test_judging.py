"""Batches from what gateways counted, the judge kept in the database, and canaries that it promotes or takes back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from releases import broker, health, judging, reconciler, routes
from releases.actions import releases, rollbacks, steering
from releases.analysis.verdict import Judge, Settings, Verdict
from releases.errors import Conflict, Forbidden, LostRace, Refused
from releases.models import AuditRow, Environment, JudgedBatch, Judgement, Package, Release, Route
from releases.tests.conftest import FakeGateway
from releases.tests.scenes import put_live
from serving.metrics import store
from serving.metrics.recorder import Pending
from serving.metrics.series import Series

STEPS = [(10.0, 60.0), (50.0, 60.0)]
Counts = dict[str, tuple[int, int]]


@dataclass
class Counter:
    """Writes what a gateway would have counted in a second."""

    release: Release
    boot: str = "boot"
    dice: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))

    def second(self, at: int, generation: int, counts: Counts, mode: str = "rest") -> None:
        """Write starts and errors by arm; every answer takes about ten milliseconds."""
        model = self.release.model.name
        digests = {"candidate": self.release.package.digest}
        live = self.release.replaces.digest
        series = []
        for arm, (starts, errors) in counts.items():
            each = Series(model, generation, arm, digests.get(arm, live), mode, "v1", starts=starts, completions=starts)
            each.errors = {"model": errors} if errors else {}
            buckets, numbers = np.unique(self.dice.integers(440, 480, starts), return_counts=True)
            each.latency = dict(zip(buckets.tolist(), numbers.tolist(), strict=True))
            series.append(each)
        for step in (1, 10):
            cell = Pending(self.release.environment.name, step, at - at % step, 1, series)
            store.write(broker.client(), self.boot, [cell])

    def run(self, start: int, seconds: int, share: float, size: int = 60, faulty: float = 0.0) -> None:
        """A while of traffic under the newest table."""
        generation = Environment.objects.get(pk=self.release.environment_id).generation
        for at in range(start, start + seconds):
            drawn = int(self.dice.binomial(size, share))
            counts = {"candidate": (drawn, int(self.dice.binomial(drawn, faulty))), "stable": (size - drawn, 0)}
            self.second(at, generation, counts)


@pytest.fixture
def canary(
    environments: dict[str, Environment], packages: list[Package], gateway: FakeGateway, settings: Any
) -> Release:
    """A canary that has its first ten per cent, judged in batches of a second, begun five minutes ago."""
    settings.JUDGE_BATCH_SECONDS = 1
    put_live(packages[0], environments["dev"])
    routes.publish(environments["dev"], "a test")
    release = releases.promote(
        actor=None, package=packages[1], environment=environments["dev"], strategy="canary", steps=STEPS
    )
    for _ in range(3):
        look(release, gateway)
    release.refresh_from_db()
    assert (release.state, release.weight, release.stable_weight, release.step) == ("shifting", 10.0, 90.0, 1)
    # On a slow machine a second may have been judged by now: begin anew, five minutes back.
    JudgedBatch.objects.filter(release=release).delete()
    Judgement.objects.filter(release=release).delete()
    judging.begin(release, timezone.now() - timedelta(seconds=300))
    return release


def look(release: Release, gateway: FakeGateway) -> Any:
    routes.send_all()
    gateway.adopt()
    return reconciler.reconcile(release.pk)


def began(release: Release) -> int:
    return Judgement.objects.get(release=release).began


def upto(release: Release) -> int:
    return Judgement.objects.get(release=release).upto


def over(release: Release, seconds: float = 3600) -> None:
    """Let the time of the step be over."""
    Release.objects.filter(pk=release.pk).update(step_since=timezone.now() - timedelta(seconds=seconds))


def test_a_faulty_canary_is_taken_back_by_itself_and_says_why(canary: Release, gateway: FakeGateway) -> None:
    Counter(canary).run(began(canary), 60, 0.1, faulty=0.3)
    plan = look(canary, gateway)
    canary.refresh_from_db()
    assert (plan.action, canary.state, canary.weight, canary.stable_weight) == ("fail", "failed", 0.0, 100.0)
    assert canary.note.startswith("errors: 1 in ")
    assert Route.objects.get(model=canary.model, environment=canary.environment).stable == canary.replaces
    assert AuditRow.objects.filter(action="release.fail", actor=None).exists()
    last = canary.batches.last()
    assert (last.state, last.verdict["family"]) == ("rollback", "errors")
    assert last.evidence >= 20


def test_an_innocent_canary_goes_step_by_step_to_the_end_with_a_certificate(
    canary: Release, gateway: FakeGateway
) -> None:
    counter = Counter(canary)
    counter.run(began(canary), 70, 0.1)
    assert look(canary, gateway).action == "hold"
    over(canary)
    assert look(canary, gateway).action == "step"
    canary.refresh_from_db()
    assert (canary.weight, canary.step) == (50.0, 2)
    counter.run(upto(canary), 70, 0.5)
    over(canary)
    plan = look(canary, gateway)
    assert (plan.action, plan.weight) == ("step", 100.0)
    assert "Certified as safe" in plan.reason
    look(canary, gateway)
    canary.refresh_from_db()
    assert canary.state == "live"


def test_with_the_traffic_stopped_it_stays_on_hold(canary: Release, gateway: FakeGateway) -> None:
    over(canary)
    for _ in range(4):
        plan = look(canary, gateway)
    assert plan.action == "hold"
    assert "0 of 400" in plan.reason
    canary.refresh_from_db()
    assert (canary.state, canary.weight) == ("shifting", 10.0)
    assert judging.newest(canary).state == "hold"
    Release.objects.filter(pk=canary.pk).update(weight=50, stable_weight=50, step=2)
    over(canary)
    assert look(canary, gateway).action == "hold"


def test_a_change_of_weight_parts_the_batch(canary: Release, gateway: FakeGateway) -> None:
    counter, start = Counter(canary), began(canary)
    generation = canary.environment.generation
    before = Environment.objects.get(pk=canary.environment_id).generation
    steering.set_weight(actor=None, release=canary, weight=40.0)
    after = Environment.objects.get(pk=canary.environment_id).generation
    assert after == before + 1 > generation
    counter.second(start, before, {"candidate": (10, 0), "stable": (90, 0)})
    counter.boot = "second"
    counter.second(start, after, {"candidate": (40, 1), "stable": (60, 0)})
    counter.boot = "third"
    counter.second(start, before, {"candidate": (5, 0), "stable": (45, 0)})
    gateway.adopt()
    found = health.windows(canary, start, 1)[0]
    shares = [(round(share, 3), stable.starts, candidate.starts) for share, _, stable, candidate in found.parts]
    assert shares == [(0.1, 135, 15), (0.4, 60, 40)]
    assert sum(seconds for _, seconds, _, _ in found.parts) == pytest.approx(1)


def test_what_is_not_chance_or_not_rest_is_not_judged(canary: Release, gateway: FakeGateway) -> None:
    counter, start = Counter(canary), began(canary)
    generation = Environment.objects.get(pk=canary.environment_id).generation
    counter.second(start, generation, {"pinned": (50, 50)})
    counter.second(start + 1, generation, {"candidate": (50, 50)}, mode="stream")
    gateway.adopt()
    assert not any(window.parts for window in health.windows(canary, start, 1)[:2])


def test_nothing_is_closed_before_every_gateway_has_written_it(canary: Release, gateway: FakeGateway) -> None:
    slow = FakeGateway("slow", "dev")
    gateway.adopt()
    slow.adopt()
    assert health.windows(canary, began(canary), 1)
    beat = broker.client().get("slipway:gateway:slow:boot")
    stuck = beat.replace(f'"watermark":{int(time.time())}'.encode(), f'"watermark":{began(canary) + 3}'.encode())
    broker.client().set("slipway:gateway:slow:boot", stuck)
    assert len(health.windows(canary, began(canary), 1)) <= 3


def test_while_no_gateway_is_seen_nothing_is_judged(canary: Release) -> None:
    for key in broker.client().keys("slipway:gateway:*"):
        broker.client().delete(key)
    assert health.windows(canary, began(canary), 1) == []
    # On a slow machine a second may have been judged before the gateways were gone.
    before = judging.newest(canary)
    assert judging.advance(canary) == before


def test_the_window_in_which_a_gateway_was_lost_is_skipped(canary: Release, gateway: FakeGateway) -> None:
    counter, start = Counter(canary, boot="dead"), began(canary)
    counter.run(start, 5, 0.1)
    Counter(canary).run(start, 60, 0.1)
    gateway.adopt()
    whole = [window.whole for window in health.windows(canary, start, 1)]
    assert [place for place, each in enumerate(whole) if not each] == [4]
    judging.advance(canary)
    assert Judgement.objects.get(release=canary).skipped == 1


def test_a_fleet_that_was_down_catches_up_and_skips_no_verdict(canary: Release, gateway: FakeGateway) -> None:
    Counter(canary).run(began(canary), 290, 0.1)
    gateway.adopt()
    for _ in range(5):
        judging.advance(canary)
    rows = list(canary.batches.all())
    assert len(rows) >= 290
    assert [row.number for row in rows] == list(range(len(rows)))
    assert [row.at for row in rows] == list(range(began(canary), began(canary) + len(rows)))


def test_what_was_stored_replays_to_the_same_verdicts(canary: Release, gateway: FakeGateway) -> None:
    Counter(canary).run(began(canary), 40, 0.1, faulty=0.02)
    gateway.adopt()
    judging.advance(canary)
    again = judging.what_if(canary)
    rows = list(canary.batches.all())
    assert [verdict.state for verdict in again][: len(rows)] == [row.state for row in rows]
    assert [verdict.evidence for verdict in again] == [pytest.approx(row.evidence, rel=1e-9) for row in rows]
    strict = judging.what_if(canary, alpha=1e-6)
    assert (strict[-1].state, again[-1].state) == ("continue", "rollback")
    assert strict[-1].evidence == pytest.approx(again[-1].evidence)
    assert canary.batches.count() == len(rows)
    with pytest.raises(ValueError, match="no setting"):
        judging.what_if(canary, hope=1)


def test_of_two_workers_one_judges_and_the_other_looks_again(canary: Release, gateway: FakeGateway) -> None:
    Counter(canary).run(began(canary), 5, 0.1)
    gateway.adopt()
    stale = Judgement.objects.get(release=canary)
    window = health.windows(canary, stale.upto, 1)[0]
    judging.advance(canary)
    count = canary.batches.count()
    with pytest.raises(LostRace):
        judging._judge(canary, stale, window)
    assert canary.batches.count() == count


def test_the_history_is_stable_beside_its_control(
    environments: dict[str, Environment], packages: list[Package], gateway: FakeGateway
) -> None:
    put_live(packages[0], environments["dev"])
    release = Release(
        package=packages[1], replaces=packages[0], model=packages[0].model, environment=environments["dev"]
    )
    counter, now = Counter(release), int(time.time())
    for at in range(now // 60 * 60 - 600, now // 60 * 60, 10):
        counter.second(at, 1, {"stable": (90, 1), "control": (10, 0)})
    found = health.history("dev", "flight-eta", packages[0].digest, now)
    assert [(batch.seconds, batch.weight, batch.stable.starts, batch.candidate.starts) for batch in found] == [
        (60, 0.1, 540, 60)
    ] * 10
    assert health.history("dev", "flight-eta", packages[1].digest, now) == []
    assert Judge(Settings(), found).metrics[1].families


# --- by hand ----------------------------------------------------------------------------------------------------------


def test_a_paused_canary_stays_and_goes_on_where_it_was(canary: Release, gateway: FakeGateway) -> None:
    Counter(canary).run(began(canary), 120, 0.1)
    since = canary.step_since
    steering.pause(actor=None, release=canary, reason="lunch")
    over(canary)
    assert look(canary, gateway).reason.startswith("Paused")
    Release.objects.filter(pk=canary.pk).update(step_since=since, paused_at=timezone.now() - timedelta(seconds=30))
    canary.refresh_from_db()
    steering.resume(actor=None, release=canary)
    assert (canary.step_since - since).total_seconds() == pytest.approx(30, abs=2)
    over(canary)
    assert look(canary, gateway).action == "step"


def test_a_fault_takes_a_paused_canary_back(canary: Release, gateway: FakeGateway) -> None:
    steering.pause(actor=None, release=canary)
    Counter(canary).run(began(canary), 60, 0.1, faulty=0.3)
    assert look(canary, gateway).action == "fail"


def test_a_weight_by_hand_is_published_and_belongs_to_a_step(canary: Release) -> None:
    steering.set_weight(actor=None, release=canary, weight=60.0, reason="in a hurry")
    canary.refresh_from_db()
    assert (canary.weight, canary.stable_weight, canary.step) == (60.0, 40.0, 2)
    targets = routes.render(canary.environment)["routes"]["flight-eta"]["targets"]
    assert {target["arm"]: target["weight"] for target in targets} == {"candidate": 60.0, "stable": 40.0}
    assert canary.events.last().action == "weight"
    for wrong in (0, 100, -5):
        with pytest.raises(Refused):
            steering.set_weight(actor=None, release=canary, weight=wrong)


def test_promoted_by_hand_it_takes_all_and_is_watched_with_a_control_share(
    canary: Release, gateway: FakeGateway
) -> None:
    Environment.objects.filter(pk=canary.environment_id).update(watch_seconds=60)
    canary.environment.refresh_from_db()
    with pytest.raises(Refused, match="Say why"):
        steering.promote_now(actor=None, release=canary, reason=" ")
    steering.promote_now(actor=None, release=canary, reason="known good")
    look(canary, gateway)
    canary.refresh_from_db()
    assert (canary.state, canary.weight, canary.stable_weight) == ("watching", 95.0, 5.0)
    Counter(canary).run(upto(canary), 60, 0.95, faulty=0.3)
    assert look(canary, gateway).action == "roll_back"
    canary.refresh_from_db()
    assert canary.state == "failed"
    back = Release.objects.get(rolls_back=canary)
    assert back.package == canary.replaces
    assert back.reason.startswith("errors: 1 in ")


def test_who_may_not_deploy_may_not_steer(canary: Release, person: Callable) -> None:
    verbs: list[Callable] = [
        lambda who: steering.pause(actor=who, release=canary),
        lambda who: steering.resume(actor=who, release=canary),
        lambda who: steering.set_weight(actor=who, release=canary, weight=20),
        lambda who: steering.promote_now(actor=who, release=canary, reason="now"),
    ]
    for verb in verbs:
        with pytest.raises(Forbidden):
            verb(person("viewer"))


def test_a_stale_click_changes_nothing(canary: Release) -> None:
    stale = Release.objects.select_related("environment", "model", "package").get(pk=canary.pk)
    steering.set_weight(actor=None, release=canary, weight=20.0)
    with pytest.raises(LostRace):
        steering.set_weight(actor=None, release=stale, weight=30.0)
    with pytest.raises(LostRace):
        steering.promote_now(actor=None, release=stale, reason="now")
    assert Release.objects.get(pk=canary.pk).weight == 20.0


def test_what_has_ended_cannot_be_steered_and_says_so(canary: Release) -> None:
    releases.abort(actor=None, release=canary, reason="no")
    for verb in (steering.pause, steering.resume):
        with pytest.raises(Conflict, match="is aborted"):
            verb(actor=None, release=canary)
    with pytest.raises(Conflict, match="cannot be promoted now"):
        steering.promote_now(actor=None, release=canary, reason="now")
    assert steering.legal(canary) == []


def test_a_rollback_by_hand_ends_a_canary_and_keeps_the_live_package(canary: Release) -> None:
    steering.pause(actor=None, release=canary)
    rollbacks.roll_back(actor=None, model=canary.model, environment=canary.environment, reason="enough")
    canary.refresh_from_db()
    assert (canary.state, canary.weight, canary.stable_weight) == ("failed", 0.0, 100.0)


def test_a_canary_needs_something_to_be_compared_with(
    environments: dict[str, Environment], packages: list[Package]
) -> None:
    with pytest.raises(Conflict, match="Nothing is live"):
        releases.promote(actor=None, package=packages[0], environment=environments["dev"], strategy="canary")
    Environment.objects.filter(name="dev").update(default_strategy="canary")
    place = Environment.objects.get(name="dev")
    assert releases.promote(actor=None, package=packages[0], environment=place).strategy == "blue_green"


def test_steps_that_make_no_sense_are_refused_by_their_field(
    environments: dict[str, Environment], packages: list[Package]
) -> None:
    put_live(packages[0], environments["dev"])
    where = {"actor": None, "package": packages[1], "environment": environments["dev"]}
    for strategy, steps in (("canary", [(5, 60), (1, 60)]), ("canary", [(5,)]), ("blue_green", [(5, 60)])):
        with pytest.raises(Refused) as refused:
            releases.promote(**where, strategy=strategy, steps=steps)
        assert refused.value.field == "steps"


def test_a_judged_batch_is_kept_once(canary: Release, gateway: FakeGateway) -> None:
    gateway.adopt()
    judging.advance(canary)
    judging.advance(canary)
    numbers = list(JudgedBatch.objects.values_list("number", flat=True))
    assert len(numbers) == len(set(numbers))


def test_old_batches_are_dropped_but_for_what_was_found(canary: Release, gateway: FakeGateway) -> None:
    Counter(canary).run(began(canary), 60, 0.1, faulty=0.3)
    look(canary, gateway)
    canary.refresh_from_db()
    found, count = judging.newest(canary), canary.batches.count()
    assert found is not None
    judging.prune(timezone.now())
    assert canary.batches.count() == count > 1
    Release.objects.filter(pk=canary.pk).update(ended_at=timezone.now() - timedelta(days=400))
    judging.prune(timezone.now())
    assert canary.batches.count() == 1
    assert judging.newest(canary) == found


# --- counts that come too late --------------------------------------------------------------------------------------


def late(canary: Release, gateway: FakeGateway, starts: int, before: int = 30) -> Verdict | None:
    """Judge two minutes, in which a second gateway is heard of late; it has answered others from `before` on."""
    Counter(canary).run(began(canary), 120, 0.1)
    gateway.adopt()
    judging.advance(canary)
    generation = Environment.objects.get(pk=canary.environment_id).generation
    second = Counter(canary, boot="second")
    second.second(began(canary) + 40 - before, generation, {"stable": (1, 0)})
    second.second(began(canary) + 40, generation, {"stable": (starts, 0)})
    Judgement.objects.filter(release=canary).update(checked=0, counted=0, late=0)
    return judging.advance(canary)


@pytest.mark.parametrize(("starts", "is_void"), [(10, False), (400, True)])
def test_more_than_one_in_a_hundred_that_came_late_voids_the_comparison(
    canary: Release, gateway: FakeGateway, starts: int, is_void: bool
) -> None:
    verdict = late(canary, gateway, starts)
    assert verdict is not None
    judgement = Judgement.objects.get(release=canary)
    assert (judgement.counted, judgement.late) == (120 * 60, starts)
    assert (verdict.state == "invalid") == is_void
    stored = judging.newest(canary)
    assert stored is not None
    assert stored.state != "invalid"  # the record replays to what it was


def test_a_gateway_that_has_just_come_up_is_not_late(canary: Release, gateway: FakeGateway) -> None:
    late(canary, gateway, 400, before=0)
    assert Judgement.objects.get(release=canary).late == 0


def test_a_redis_that_has_forgotten_what_was_judged_voids_nothing(canary: Release, gateway: FakeGateway) -> None:
    Counter(canary).run(began(canary), 120, 0.1)
    gateway.adopt()
    judging.advance(canary)
    broker.client().flushall()
    gateway.adopt()
    Judgement.objects.filter(release=canary).update(checked=0, counted=0, late=0)
    verdict = judging.advance(canary)
    assert verdict is not None
    assert verdict.state != "invalid"


def test_each_window_is_looked_at_once(canary: Release, gateway: FakeGateway) -> None:
    late(canary, gateway, 10)
    judging.advance(canary)
    judging.advance(canary)
    assert Judgement.objects.get(release=canary).late == 10


def test_a_canary_whose_counts_come_late_is_taken_back_and_says_so(canary: Release, gateway: FakeGateway) -> None:
    late(canary, gateway, 400)
    look(canary, gateway)
    canary.refresh_from_db()
    assert canary.state == "failed"
    assert "400 of 7,200 requests were counted only after their batch was judged" in canary.note


def test_what_is_watched_is_promoted_by_hand(
    environments: dict[str, Environment], packages: list[Package], gateway: FakeGateway, manager: User
) -> None:
    place = environments["dev"]
    Environment.objects.filter(pk=place.pk).update(watch_seconds=600)
    put_live(packages[0], place)
    made = releases.promote(actor=manager, package=packages[1], environment=place, strategy="blue_green")
    for _ in range(4):
        look(made, gateway)
    made.refresh_from_db()
    assert (made.state, made.stable_weight) == ("watching", 5.0)
    assert "promote" in steering.legal(made)
    with pytest.raises(Refused):
        steering.promote_now(actor=manager, release=made, reason=" ")
    steering.promote_now(actor=manager, release=made, reason="seen enough")
    look(made, gateway)
    made.refresh_from_db()
    assert (made.state, made.weight, made.stable_weight) == ("live", 100.0, 0.0)
    assert made.events.filter(action="promote", actor=manager).exists()
