"""Shadows: begun beside what is live, never part of the traffic, ended by themselves, and evidence for gates then."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from django.utils import timezone

from releases import agreement, broker, gates, reconciler, routes, shadows, tasks
from releases.actions import comparing, releases, rollbacks, steering
from releases.actions import shadows as verbs
from releases.errors import Conflict, Forbidden, Refused
from releases.models import AuditRow, Evidence, Release, Route, Rule, ShadowTally, Want
from releases.strategies import EVERY, Seen
from releases.strategies.base import Mirrored
from releases.tests.scenes import put_live
from serving import tallies, tally
from serving.tally import Largest, Tally


@pytest.fixture
def live(environments, packages):
    put_live(packages[0], environments["staging"])
    return environments["staging"]


@pytest.fixture
def shadow(manager, live, packages, gateway):
    """One that compares."""
    made = verbs.start(actor=manager, package=packages[1], environment=live, pairs=100)
    reconciler.reconcile(made.pk)
    adopt(gateway, live)
    found(made)
    reconciler.reconcile(made.pk)
    made.refresh_from_db()
    assert made.state == "shifting", made.note
    return made


def adopt(gateway, environment) -> None:
    environment.refresh_from_db()
    gateway.adopt(generation=environment.generation)


def found(release: Release, boot: str = "one", **values) -> None:
    """Write what a shadow process has found."""
    values = {"at": timezone.now().timestamp(), "ready": True} | values
    tallies.put(broker.client(), release.pk, boot, tally.dumps(Tally(**values)))


def look(release: Release) -> Release:
    reconciler.reconcile(release.pk)
    release.refresh_from_db()
    return release


def table(environment) -> dict:
    environment.refresh_from_db()
    return environment.tables.get(generation=environment.generation).body["routes"]["flight-eta"]


# --- its life -------------------------------------------------------------------------------------------------------


def test_it_is_published_beside_the_targets_and_takes_no_traffic(shadow, live, packages):
    route = table(live)
    assert [(each["package"], each["weight"]) for each in route["targets"]] == [(1, 100.0)]
    (found,) = route["shadows"]
    assert (found["run"], found["target"]["package"], found["share"]) == (shadow.pk, 2, 1.0)
    assert (found["target"]["arm"], found["target"]["weight"], found["rtol"]) == ("shadow", 0.0, 0.05)
    assert Route.objects.get(environment=live).stable == packages[0]


def test_it_ends_by_itself_with_evidence(shadow, live):
    assert look(shadow).state == "shifting"
    found(shadow, pairs=60, agreed=60, at=timezone.now().timestamp() + 10)
    found(shadow, boot="two", pairs=40, agreed=30)
    assert look(shadow).state == "compared"
    evidence = Evidence.objects.get(kind="shadow")
    assert (evidence.verdict, evidence.environment, evidence.reference) == ("fail", live, f"release {shadow.pk}")
    assert "10 of 100 pairs disagree (10 %" in evidence.words
    assert "shadows" not in table(live) or not table(live)["shadows"]
    assert evidence.get_absolute_url() == shadow.get_absolute_url()


def test_what_came_right_after_the_last_save_is_saved_a_little_later(shadow, monkeypatch):
    saved = shadow.tallies.get().at
    found(shadow, pairs=7, agreed=7, at=saved + 1)
    look(shadow)
    assert shadows.found(shadow).pairs == 0
    monkeypatch.setattr(shadows.time, "time", lambda: saved + shadows.SAVE_SECONDS + 1)
    look(shadow)
    assert shadows.found(shadow).pairs == 7


def test_it_ends_when_its_time_is_over(shadow):
    Release.objects.filter(pk=shadow.pk).update(state_since=timezone.now() - timedelta(days=2))
    assert look(shadow).state == "compared"
    assert Evidence.objects.get(kind="shadow").verdict == "hold"


def test_what_it_found_outlives_redis_and_every_process(shadow):
    found(shadow, pairs=50, agreed=50, at=timezone.now().timestamp() + 100)
    look(shadow)
    broker.client().flushall()
    assert shadows.collect(shadow).pairs == 50
    assert shadows.found(shadow).pairs == 50


def test_it_ends_when_another_package_goes_live(shadow, live, packages):
    put_live(packages[2], live)
    assert look(shadow).state == "compared"
    assert "not live any more" in shadow.note


def test_a_package_that_no_process_can_load_fails(manager, live, packages, gateway):
    made = verbs.start(actor=manager, package=packages[1], environment=live)
    look(made)
    adopt(gateway, live)
    found(made, ready=False, error="Package 2 cannot be shadowed: no room.")
    assert look(made).state == "failed"
    assert "no room" in made.note


def test_a_pause_takes_it_out_of_the_table_and_its_time_stands_still(shadow, live, manager):
    steering.pause(actor=manager, release=shadow)
    assert not table(live)["shadows"]
    since = shadow.state_since
    Release.objects.filter(pk=shadow.pk).update(paused_at=timezone.now() - timedelta(hours=1))
    shadow.refresh_from_db()
    steering.resume(actor=manager, release=shadow)
    assert len(table(live)["shadows"]) == 1
    assert shadow.state_since - since >= timedelta(hours=1)


def test_it_is_ended_by_hand_or_stopped(shadow, manager, live, person):
    with pytest.raises(Forbidden):
        verbs.end(actor=person("viewer"), release=shadow)
    found(shadow, pairs=5, agreed=5)
    verbs.end(actor=manager, release=shadow, reason="enough")
    assert shadow.state == "compared"
    assert AuditRow.objects.get(action="release.end").actor == manager
    with pytest.raises(Conflict):
        verbs.end(actor=manager, release=shadow)
    assert steering.legal(shadow) == []


def test_two_who_end_it_at_once_make_one_piece_of_evidence(shadow, manager):
    same = Release.objects.get(pk=shadow.pk)
    verbs.end(actor=manager, release=shadow)
    with pytest.raises(Conflict):
        verbs.end(actor=manager, release=same)
    assert Evidence.objects.filter(kind="shadow").count() == 1


def test_no_rollback_and_no_other_release_minds_it(shadow, manager, live, packages):
    with pytest.raises(Conflict):
        rollbacks.take_back(actor=manager, release=shadow, reason="no")
    type(live).objects.update(needs_previous=False)
    live.refresh_from_db()
    made = releases.promote(actor=manager, package=packages[1], environment=live, strategy="blue_green")
    assert made.state == "waiting"
    assert len(table(live)["shadows"]) == 1


# --- its beginning --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "field"),
    [({"share": 0}, "share"), ({"share": 101}, "share"), ({"pairs": 0}, "pairs"), ({"seconds": 0}, "seconds")],
)
def test_numbers_that_make_no_sense_are_refused(manager, live, packages, given, field):
    with pytest.raises(Refused) as refusal:
        verbs.start(actor=manager, package=packages[1], environment=live, **given)
    assert refusal.value.field == field


def test_what_has_nothing_to_be_compared_with_is_refused(manager, environments, live, packages):
    for place, package, words in (
        (environments["production"], packages[1], "Nothing is live"),
        (live, packages[0], "live here itself"),
    ):
        with pytest.raises(Conflict, match=words):
            verbs.start(actor=manager, package=package, environment=place)


def test_one_package_is_shadowed_once_and_a_few_at_most(manager, live, packages, model):
    from releases.tests.conftest import make_package

    verbs.start(actor=manager, package=packages[1], environment=live)
    with pytest.raises(Conflict, match="already"):
        verbs.start(actor=manager, package=packages[1], environment=live)
    for number in (4, 5):
        verbs.start(actor=manager, package=make_package(model, number), environment=live)
    with pytest.raises(Conflict, match="3 shadows"):
        verbs.start(actor=manager, package=packages[2], environment=live)


def test_a_package_that_refuses_what_is_answered_now_is_no_shadow(manager, live, model):
    from releases.tests.conftest import SIGNATURE, make_package

    more = {**SIGNATURE, "inputs": [*SIGNATURE["inputs"], {"name": "hour", "type": "long", "required": True}]}
    with pytest.raises(Conflict, match="refuses calls"):
        verbs.start(actor=manager, package=make_package(model, 9, signature=more), environment=live)


def test_no_gate_is_asked_of_what_nobody_sees(manager, environments, packages, gateway):
    """Production asks that a package was live in staging; a shadow may come before that."""
    put_live(packages[0], environments["production"])
    made = verbs.start(actor=manager, package=packages[1], environment=environments["production"])
    assert look(made).state == "preparing"


# --- as a gate ------------------------------------------------------------------------------------------------------


def gate(package, environment):
    return next(each for each in gates.check(package, environment) if each.kind == "shadow")


def test_a_gate_can_ask_for_it(shadow, live, packages, manager, environments):
    rule = Rule.objects.create(environment=environments["production"], risk="medium")
    Want.objects.create(rule=rule, kind="shadow", where=live)
    asked = gate(packages[1], environments["production"])
    assert (asked.verdict, asked.missing) == ("hold", True)
    assert asked.url.startswith("/models/flight-eta/shadow/start/?package=2")
    comparing.compare(actor=manager, model=packages[1].model, agreement={"pairs": 500})
    found(shadow, pairs=3000, agreed=3000)
    assert look(shadow).state == "compared"
    # It was compared by the rule of then.
    packages[1].refresh_from_db()
    passed = gate(packages[1], environments["production"])
    assert (passed.verdict, passed.url) == ("pass", shadow.get_absolute_url())
    comparing.compare(actor=manager, model=packages[1].model, agreement={"limit": 0.001})
    packages[1].model.refresh_from_db()
    assert "by another rule" in gate(packages[1], environments["production"]).words


@pytest.mark.parametrize(
    ("pairs", "agreed", "verdict"),
    [(0, 0, "hold"), (1999, 1999, "hold"), (2000, 2000, "pass"), (2000, 1980, "hold"), (300, 250, "fail")],
)
def test_what_a_comparison_shows(pairs, agreed, verdict):
    shown = agreement.finding(agreement.Rule(), Tally(pairs=pairs, agreed=agreed))
    assert shown.verdict == verdict
    assert shown.interval[0] <= shown.rate <= shown.interval[1]


def test_what_is_set_again_as_it_was_is_no_change(manager, model):
    before = AuditRow.objects.count()
    comparing.compare(actor=manager, model=model, agreement=agreement.Rule().to_json())
    assert AuditRow.objects.count() == before


@pytest.mark.parametrize(
    "rule", [{"limit": 0}, {"limit": 1}, {"pairs": 0}, {"rtol": -1}, {"atol": float("inf")}, {"speed": 1}]
)
def test_a_rule_that_makes_no_sense_is_refused(manager, model, rule):
    with pytest.raises(Refused):
        comparing.compare(actor=manager, model=model, agreement=rule)


# --- pure -----------------------------------------------------------------------------------------------------------


def test_the_strategy_holds_where_everything_else_holds():
    seen = Seen(state="shifting", adopted=1, mirrored=Mirrored(pairs=9, wanted=5))
    plan = EVERY["shadow"].plan
    assert plan(seen).action == "end"
    assert plan(dataclasses.replace(seen, paused=True)).action == "hold"
    assert plan(dataclasses.replace(seen, held="The line is stopped.")).reason == "The line is stopped."
    waiting = dataclasses.replace(seen, state="preparing", adopted=0)
    assert plan(waiting).action == "hold"
    late = dataclasses.replace(waiting, adopted=1, seconds_in_step=500)
    assert plan(late).action == "fail"


def test_old_inputs_are_forgotten_and_counts_stay(shadow, manager):
    kept = Largest(apart=1.0, at=0.0, id="1", inputs={"distance": 500}, live=1, shadow=2)
    found(shadow, pairs=5, agreed=4, largest=[kept], at=timezone.now().timestamp() + 10)
    verbs.end(actor=manager, release=shadow)
    tasks.prune()
    assert shadows.found(shadow).largest[0].inputs == {"distance": 500}
    Release.objects.filter(pk=shadow.pk).update(ended_at=timezone.now() - timedelta(days=15))
    tasks.prune()
    assert (shadows.found(shadow).largest, shadows.found(shadow).pairs) == ([], 5)
    assert ShadowTally.objects.count() == 1


# --- by REST --------------------------------------------------------------------------------------------------------


def test_a_tables_form_says_what_a_shadow_is(shadow, live):
    assert routes.render(live)["routes"]["flight-eta"]["shadows"][0]["run"] == shadow.pk
