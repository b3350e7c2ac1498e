"""The quiet window: learnt from counts, by the clock on the wall, waited for, and found anew when it was missed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from releases import reconciler
from releases.actions import releases
from releases.errors import Refused
from releases.models import Count, Release
from releases.queries import quiet
from releases.tests.scenes import put_live

HOUR = timedelta(hours=1)
NOW = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)  # a Wednesday


def count(at: datetime, starts: int, **columns) -> Count:
    named = {"seconds": 3600, "environment": "staging", "model": "flight-eta", "package": "sha256:1", "arm": "stable"}
    return Count.objects.create(at=at, starts=starts, completions=starts, mode="rest", protocol="v1", **named | columns)


@pytest.fixture
def counted(environments, model):
    """Three weeks of calls by day, few at night, and fewest on Saturdays from 3 to 4."""
    first = NOW.replace(minute=0) - 21 * 24 * HOUR
    for number in range(21 * 24):
        at = first + number * HOUR
        saturday = at.weekday() == 5 and at.hour == 3
        count(at, 30 if saturday else 600 if at.hour < 6 else 6000)
    return environments["staging"]


def test_the_quietest_hour_of_the_week_is_proposed_with_what_it_hits(counted, model):
    found, window = quiet.proposed(model, counted, NOW)
    assert found.hours == 21 * 24
    assert found.rates[5 * 24 + 3] == 0.5
    assert window.begins == datetime(2026, 11, 28, 3, tzinfo=UTC)
    assert window.ends - window.begins == HOUR
    assert window.hit == pytest.approx(0.5 * quiet.ASSUMED_SECONDS / 60)
    assert window.words == "Saturday 03:00 to 04:00 UTC, hardly a request"


def test_a_longer_time_off_looks_for_more_quiet_hours(counted, model):
    window = quiet.quietest(quiet.week(model, counted, NOW), 2 * 3600, NOW)
    assert window.ends - window.begins == 2 * HOUR
    assert window.begins == datetime(2026, 11, 26, 0, tzinfo=UTC)
    assert window.per_minute == 10
    assert "about 1,200 requests would be told to retry" in window.words


def test_what_was_measured_says_how_long_it_is_off(counted, model, packages):
    now = timezone.now()
    for seconds in (1, 30, 2):
        put_live(packages[0], counted, strategy="recreate", off_at=now, on_at=now + timedelta(seconds=seconds))
    assert quiet.downtime(model, counted) == 2


def test_hours_without_a_call_are_the_quietest_of_all(environments, model):
    count(NOW.replace(minute=0) - 7 * 24 * HOUR, 60)
    count(NOW.replace(minute=0) - HOUR, 60)
    window = quiet.proposed(model, environments["staging"], NOW)[1]
    assert (window.begins, window.per_minute) == (NOW.replace(minute=0) + HOUR, 0)


def test_an_hour_that_nobody_has_seen_is_not_proposed(environments, model):
    for hours in (3, 2, 1):
        count(NOW.replace(minute=0) - hours * HOUR, 60 * hours)
    found, window = quiet.proposed(model, environments["staging"], NOW)
    assert sum(rate is not None for rate in found.rates) == 3
    # The quietest of the three that are known, a week later.
    assert window.begins == NOW.replace(minute=0) - HOUR + 7 * 24 * HOUR


def test_without_history_there_is_none(environments, model):
    assert quiet.proposed(model, environments["staging"], NOW)[1] is None


def test_it_goes_by_the_clock_on_the_wall(environments, model, settings):
    """Sydney's 3 o'clock is another hour of UTC in summer than in winter."""
    settings.TIME_ZONE = "Australia/Sydney"
    sydney = ZoneInfo("Australia/Sydney")
    with timezone.override(sydney):
        now = datetime(2026, 10, 2, tzinfo=UTC)
        for number in range(24 * 14):
            at = now - (24 * 14 - number) * HOUR
            count(at, 1 if at.astimezone(sydney).hour == 3 else 600)
        window = quiet.proposed(model, environments["staging"], now)[1]
        assert window.begins.astimezone(sydney).hour == 3


# --- a release ------------------------------------------------------------------------------------------------------


def wait(manager, package, environment) -> Release:
    type(environment).objects.update(needs_previous=False)
    environment.refresh_from_db()
    return releases.promote(actor=manager, package=package, environment=environment, strategy="recreate", quiet=True)


def test_a_recreate_waits_for_it_and_says_so(counted, manager, packages):
    put_live(packages[0], counted)
    made = wait(manager, packages[1], counted)
    reconciler.reconcile(made.pk)
    made.refresh_from_db()
    assert made.state == "waiting"
    assert made.note.startswith("Waits for the quiet window, ")
    assert made.start_at == datetime.fromisoformat(made.plan["quiet"]["begins"])


def test_in_the_window_it_begins(counted, manager, packages, monkeypatch):
    made = wait(manager, packages[1], counted)
    monkeypatch.setattr(reconciler.timezone, "now", lambda: made.start_at + timedelta(minutes=1))
    reconciler.reconcile(made.pk)
    made.refresh_from_db()
    assert made.state == "preparing"


def test_one_that_missed_its_window_is_put_off_to_the_next(counted, manager, packages, monkeypatch):
    made = wait(manager, packages[1], counted)
    first = made.start_at
    monkeypatch.setattr(reconciler.timezone, "now", lambda: first + 2 * HOUR)
    reconciler.reconcile(made.pk)
    made.refresh_from_db()
    assert (made.state, made.start_at > first) == ("waiting", True)
    assert made.events.filter(action="postpone").exists()


@pytest.mark.parametrize(
    ("given", "field"),
    [({"strategy": "blue_green"}, "quiet"), ({"start_at": NOW.replace(year=2999)}, "start_at")],
)
def test_it_is_for_a_recreate_without_a_start_time(counted, manager, packages, given, field):
    with pytest.raises(Refused) as refusal:
        releases.promote(
            **{"actor": manager, "package": packages[1], "environment": counted, "strategy": "recreate"} | given,
            quiet=True,
        )
    assert refusal.value.field == field


def test_without_history_it_is_refused(environments, manager, packages):
    with pytest.raises(Refused, match="nobody knows"):
        wait(manager, packages[1], environments["dev"])


def test_by_rest_it_is_asked_and_started(counted, manager, packages, client):
    client.force_login(manager)
    put_live(packages[0], counted)
    shown = client.get("/api/quiet/?model=flight-eta&environment=staging").json()
    assert len(shown["rates"]) == quiet.HOURS
    assert "Saturday" in shown["window"]["words"]
    page = client.get("/models/flight-eta/quiet/?environment=staging").content.decode()
    assert "Quietest: Saturday 03:00" in page
