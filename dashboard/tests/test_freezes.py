"""The page of freezes, and how board and promote page tell of them in advance."""

from __future__ import annotations

import pytest

from releases.models import Freeze
from releases.tests.scenes import put_live, put_moving

PAGE = "/environments/staging/freezes/"
WEEKLY = {"name": "Payday", "cron": "0 18 * * 5", "minutes": 600, "zone": "Europe/Berlin"}


@pytest.fixture
def signed(client, manager):
    client.force_login(manager)
    return client


def test_it_is_made_told_in_advance_and_taken_away(signed, packages, environments):
    put_live(packages[0], environments["staging"])
    assert signed.post(PAGE, WEEKLY).status_code == 302
    page = signed.get(PAGE).content.decode()
    assert "Payday" in page
    assert "0 18 * * 5" in page
    assert "stands still from" in signed.get("/").content.decode()
    promote = signed.get("/models/flight-eta/promote/?package=2&environment=staging").content.decode()
    assert "A release that is under way then waits." in promote
    made = Freeze.objects.get()
    assert signed.post(f"{PAGE}{made.pk}/remove/").status_code == 302
    assert "There is none." in signed.get(PAGE).content.decode()
    assert signed.post(f"{PAGE}{made.pk}/remove/").status_code == 404


def test_while_it_lasts_everybody_is_told(signed, packages, environments):
    signed.post(PAGE, {"name": "always", "cron": "* * * * *", "minutes": 5, "zone": "UTC"})
    for address in ("/", PAGE, "/models/flight-eta/promote/?package=1&environment=staging"):
        assert "staging is frozen until" in signed.get(address).content.decode()


def test_what_makes_no_sense_is_said_on_the_form(signed, environments):
    answer = signed.post(PAGE, WEEKLY | {"cron": "sometimes"})
    assert answer.status_code == 400
    assert "such as 0 18 * * 5" in answer.content.decode()


def test_who_may_not_direct_traffic_sees_and_changes_nothing(client, person, environments):
    client.force_login(person("developer"))
    assert "Freeze it" not in client.get(PAGE).content.decode()
    assert client.post(PAGE, WEEKLY).status_code == 403
    assert not Freeze.objects.exists()


def test_two_people_override_it_on_the_pages_for_a_release_under_way(client, signed, person, packages, environments):
    put_live(packages[0], environments["staging"])
    moving = put_moving(packages[1], environments["staging"])
    signed.post(PAGE, {"name": "always", "cron": "* * * * *", "minutes": 5, "zone": "UTC"})
    assert "Override the freeze" not in signed.get(moving.get_absolute_url()).content.decode()
    client.force_login(person("admin"))
    assert "Override the freeze" in client.get(moving.get_absolute_url()).content.decode()
    assert "staging is frozen until" in client.get(f"/releases/{moving.pk}/override/").content.decode()
    assert client.post(f"/releases/{moving.pk}/override/", {"reason": "it must be tonight"}).status_code == 302
    client.force_login(person("release manager"))
    assert client.post(f"/releases/{moving.pk}/consent/").status_code == 302
    client.force_login(person("admin"))
    assert "Override the freeze" not in client.get(moving.get_absolute_url()).content.decode()
