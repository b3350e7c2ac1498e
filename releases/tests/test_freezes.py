"""Freezes: when they hold, what they hold, and that nothing holds a rollback."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from releases import freezes, gates, reconciler
from releases.actions import freezes as verbs
from releases.actions import gates as overriding
from releases.actions import releases, rollbacks, steering
from releases.errors import Conflict, Forbidden, Refused
from releases.models import AuditRow, Environment, Freeze, Release
from releases.tests.scenes import put_live, put_moving

DAY = timedelta(days=1)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def frozen(environments, manager):
    """Staging, for an hour from now."""
    now = timezone.now()
    verbs.freeze(actor=manager, environment=environments["staging"], name="Payday", begins=now - DAY, ends=now + DAY)
    Environment.objects.update(needs_previous=False)
    return Environment.objects.get(name="staging")


def recurring(cron="0 18 * * 5", minutes=60, zone="UTC", **columns) -> Freeze:
    return Freeze(name="weekly", cron=cron, minutes=minutes, zone=zone, **columns)


# --- when -----------------------------------------------------------------------------------------------------------


def test_a_recurring_one_begins_by_its_form_in_its_zone():
    """Across the change of the clock 18:00 stays 18:00 in Berlin, and the length stays the length."""
    start = datetime(2026, 10, 17, tzinfo=UTC)
    found = list(freezes.windows(recurring(zone="Europe/Berlin"), start, start + 15 * DAY))
    assert [window.begins.astimezone(BERLIN).hour for window in found] == [18, 18]
    assert [window.begins.astimezone(UTC).hour for window in found] == [16, 17]
    assert {window.ends - window.begins for window in found} == {timedelta(hours=1)}


@pytest.mark.parametrize(("seconds", "holds"), [(-1, False), (0, True), (3599, True), (3600, False)])
def test_it_holds_from_its_first_second_to_before_its_last(seconds, holds):
    at = datetime(2026, 11, 27, 18, tzinfo=UTC) + timedelta(seconds=seconds)
    found = list(freezes.windows(recurring(), at, at + timedelta(microseconds=1)))
    assert bool(found) == holds


def test_one_that_comes_round_before_it_has_ended_holds_all_the_time():
    at = datetime(2026, 11, 27, 18, 30, tzinfo=UTC)
    (window,) = freezes.windows(recurring("0 * * * *", 120), at, at + timedelta(seconds=1))
    assert window.ends == datetime(2026, 11, 27, 20, tzinfo=UTC)
    (window,) = freezes.windows(recurring("* * * * *", 10_080), at, at + timedelta(microseconds=1))
    assert window.ends == at + timedelta(minutes=10_080)


@given(
    hour=st.integers(0, 23),
    weekday=st.integers(0, 6),
    minutes=st.integers(1, 10_080),
    offset=st.integers(0, 400 * 86_400),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]),
)
def test_any_moment_lies_in_the_window_that_began_last_or_in_none(hour, weekday, minutes, offset, zone):
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=offset)
    found = list(freezes.windows(recurring(f"0 {hour} * * {weekday}", minutes, zone), at, at + timedelta(seconds=1)))
    assert all(window.begins <= at + timedelta(seconds=1) and window.ends > at for window in found)
    assert all(one.begins < two.begins for one, two in pairwise(found))
    wider = list(freezes.windows(recurring(f"0 {hour} * * {weekday}", minutes, zone), at - 8 * DAY, at + DAY))
    holding = [w for w in wider if w.begins < at + timedelta(seconds=1) and w.ends > at]
    assert [w.ends for w in found][-1:] == [w.ends for w in holding][-1:]


def test_what_comes_is_told_soonest_first_and_a_few_of_it(environments, manager):
    place = environments["staging"]
    verbs.freeze(actor=manager, environment=place, name="hourly", cron="0 * * * *", minutes=5)
    now = timezone.now()
    verbs.freeze(actor=manager, environment=place, name="now", begins=now - DAY, ends=now + DAY)
    verbs.freeze(actor=manager, environment=place, name="next year", begins=now + 300 * DAY, ends=now + 301 * DAY)
    found = freezes.coming([place])[place.pk]
    assert (found[0].freeze.name, len(found)) == ("now", freezes.MOST)
    assert "next year" not in {window.freeze.name for window in found}
    assert freezes.holding(place).freeze.name == "now"
    assert freezes.holding(environments["dev"]) is None


# --- what it holds --------------------------------------------------------------------------------------------------


def test_a_new_release_waits_and_says_until_when(frozen, manager, packages):
    made = releases.promote(actor=manager, package=packages[0], environment=frozen, strategy="blue_green")
    reconciler.reconcile(made.pk)
    made.refresh_from_db()
    assert made.state == "waiting"
    assert "staging is frozen until" in made.note
    assert "Payday" in made.note


def test_a_release_under_way_stays_where_it_is(frozen, manager, packages, gateway):
    put_live(packages[0], frozen)
    moving = put_moving(packages[1], frozen)
    gateway.adopt(generation=frozen.generation)
    assert reconciler.reconcile(moving.pk).action == "hold"
    moving.refresh_from_db()
    assert (moving.state, "Payday" in moving.note) == ("preparing", True)


def test_nothing_gets_more_traffic_by_hand(frozen, manager, packages):
    put_live(packages[0], frozen)
    columns = {"strategy": "canary", "state": "shifting", "step": 1, "weight": 10.0, "stable_weight": 90.0}
    canary = put_moving(packages[1], frozen, plan={"steps": [[10, 60], [50, 60]]}, **columns)
    for act in (
        lambda: steering.set_weight(actor=manager, release=canary, weight=50),
        lambda: steering.promote_now(actor=manager, release=canary, reason="now"),
    ):
        with pytest.raises(Conflict, match="Payday"):
            act()
    assert steering.set_weight(actor=manager, release=canary, weight=5).weight == 5


def test_nothing_freezes_a_rollback(frozen, manager, packages, gateway):
    put_live(packages[0], frozen)
    put_live(packages[1], frozen)
    back = rollbacks.roll_back(actor=manager, model=packages[0].model, environment=frozen, reason="it is wrong")
    frozen.refresh_from_db()
    gateway.adopt(generation=frozen.generation)
    reconciler.reconcile(back.pk)
    back.refresh_from_db()
    assert back.state != "shifting" or "frozen" not in back.note
    assert gates.held_by_a_freeze(back) == ""


def test_other_environments_move(frozen, environments, manager, packages):
    made = releases.promote(actor=manager, package=packages[0], environment=environments["dev"], strategy="blue_green")
    reconciler.reconcile(made.pk)
    made.refresh_from_db()
    assert made.state == "preparing"


def test_it_goes_on_when_the_freeze_is_taken_away(frozen, manager, packages):
    made = releases.promote(actor=manager, package=packages[0], environment=frozen, strategy="blue_green")
    verbs.thaw(actor=manager, freeze=frozen.freezes.get())
    reconciler.reconcile(made.pk)
    made.refresh_from_db()
    assert made.state == "preparing"
    assert list(AuditRow.objects.order_by("id").values_list("action", flat=True))[-2:] != []
    assert AuditRow.objects.filter(action__in=("freeze.create", "freeze.remove")).count() == 2


def test_two_people_override_it(frozen, person, packages):
    """Before its beginning, and again for a freeze that comes while it is under way."""
    admin, manager = person("admin"), person("release manager")
    made = releases.promote(actor=manager, package=packages[0], environment=frozen, strategy="blue_green")
    overriding.ask_override(actor=admin, release=made, reason="a hole in security")
    with pytest.raises(Conflict, match="second person"):
        overriding.consent(actor=admin, release=made)
    reconciler.reconcile(made.pk)
    made.refresh_from_db()
    assert made.state == "waiting"
    overriding.consent(actor=manager, release=made)
    reconciler.reconcile(made.pk)
    made.refresh_from_db()
    assert made.state == "preparing"
    assert gates.held_by_a_freeze(made) == ""


def test_a_release_under_way_is_overridden_too(frozen, person, packages):
    put_live(packages[0], frozen)
    moving = put_moving(packages[1], frozen)
    overriding.ask_override(actor=person("admin"), release=moving, reason="it must be through tonight")
    assert gates.held_by_a_freeze(moving)
    with pytest.raises(Conflict, match="already"):
        overriding.ask_override(actor=person("admin"), release=moving, reason="again")
    overriding.consent(actor=person("release manager"), release=moving)
    assert gates.held_by_a_freeze(moving) == ""


# --- who and how ----------------------------------------------------------------------------------------------------

SOON = {"begins": timezone.now() + DAY, "ends": timezone.now() + 2 * DAY}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "begins"),
        ({"begins": SOON["begins"]}, "ends"),
        (SOON | {"ends": SOON["begins"]}, "ends"),
        ({"begins": SOON["begins"] - 9 * DAY, "ends": SOON["begins"] - 8 * DAY}, "ends"),
        (SOON | {"ends": SOON["begins"] + 400 * DAY}, "ends"),
        (SOON | {"cron": "0 18 * * 5", "minutes": 60}, "begins"),
        ({"cron": "every day", "minutes": 60}, "cron"),
        ({"cron": "0 18 * *", "minutes": 60}, "cron"),
        ({"cron": "99 18 * * 5", "minutes": 60}, "cron"),
        ({"cron": "0 0 30 2 *", "minutes": 60}, "cron"),
        ({"cron": "0 18 * * 5"}, "minutes"),
        ({"cron": "0 18 * * 5", "minutes": 100_000}, "minutes"),
        ({"cron": "0 18 * * 5", "minutes": 60, "zone": "Mars/Olympus"}, "zone"),
        ({"cron": "0 18 * * 5", "minutes": 60, "zone": "../../etc/passwd"}, "zone"),
        (SOON | {"name": "  "}, "name"),
    ],
)
def test_what_makes_no_sense_is_refused_by_field(environments, manager, given, field):
    with pytest.raises(Refused) as refusal:
        verbs.freeze(**{"actor": manager, "environment": environments["dev"], "name": "why"} | given)
    assert refusal.value.field == field


def test_who_may_not_direct_traffic_may_not_freeze(environments, person, frozen):
    with pytest.raises(Forbidden):
        verbs.freeze(actor=person("developer"), environment=environments["dev"], name="no", **SOON)
    with pytest.raises(Forbidden):
        verbs.thaw(actor=person("QA"), freeze=frozen.freezes.get())


def test_a_shadow_is_not_held(frozen, manager, packages, gateway):
    put_live(packages[0], frozen)
    from releases.actions import shadows

    made = shadows.start(actor=manager, package=packages[1], environment=frozen)
    reconciler.reconcile(made.pk)
    assert Release.objects.get(pk=made.pk).state == "preparing"
