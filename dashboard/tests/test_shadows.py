"""Pages of a shadow: started from a form, shown with what it found, ended; inputs for who may see them."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone

from releases.models import Release
from releases.tests.test_shadows import found, live, look, shadow  # noqa: F401 - fixtures
from serving.tally import Largest

START = "/models/flight-eta/shadow/start/"
GIVEN = {
    "package": 2,
    "environment": "staging",
    "recorded": "live",
    "share": 50,
    "pairs": 300,
    "hours": 2,
    "reason": "to see",
}


@pytest.fixture
def signed(client, manager):
    client.force_login(manager)
    return client


@pytest.fixture
def compared(shadow):  # noqa: F811
    kept = Largest(apart=2.5, at=0.0, id="r-1", inputs={"distance": 512}, live="no", shadow="yes")
    values = {"segments": {"origin": {"JFK": [30, 10], "LGA": [30, 0]}}, "flips": {"no → yes": 10}}
    values |= {"live_times": {100: 60}, "largest": [kept], "points": [(0.9, 0.1), (0.8, 0.8)]}
    found(shadow, pairs=60, agreed=50, at=timezone.now().timestamp() + 10, failed={"ValueError": 3}, **values)
    return look(shadow)


def test_the_form_starts_one(signed, live, packages):  # noqa: F811
    page = signed.get(f"{START}?package=2&environment=staging")
    assert "Shadow package 2 in staging" in page.content.decode()
    answer = signed.post(START, GIVEN)
    made = Release.objects.get(strategy="shadow")
    assert answer.headers["Location"] == made.get_absolute_url()
    assert (made.plan["share"], made.plan["pairs"], made.plan["seconds"]) == (50, 300, 7200)


@pytest.mark.parametrize(("given", "status"), [({"share": 0}, 400), ({"pairs": ""}, 400), ({"package": 1}, 409)])
def test_what_cannot_be_is_said_on_the_form(signed, live, packages, given, status):  # noqa: F811
    assert signed.post(START, GIVEN | given).status_code == status


def test_the_page_shows_what_was_found(signed, compared):
    page = signed.get(compared.get_absolute_url()).content.decode()
    for words in ("10 of 60 pairs disagree", "no → yes", "JFK", "ValueError", "512", "r-1", "They disagree: proven"):
        assert words in page
    assert "Go on as canary" in page
    assert "strategy=canary" in page
    assert f"/releases/{compared.pk}/end/" in page


def test_inputs_are_callers_data(client, compared, person):
    client.force_login(person("viewer"))
    page = client.get(compared.get_absolute_url()).content.decode()
    assert "r-1" in page
    assert "512" not in page
    assert "Go on as canary" not in page


def test_it_is_ended_and_cited_by_what_follows(signed, compared):
    assert signed.post(f"/releases/{compared.pk}/end/").status_code == 302
    page = signed.get(compared.get_absolute_url()).content.decode()
    assert "Compared" in page
    type(compared.environment).objects.update(needs_previous=False)
    url = page.split('href="/models/flight-eta/promote/?')[1].split('"')[0].replace("&amp;", "&")
    form = signed.get(f"/models/flight-eta/promote/?{url}").content.decode()
    assert f"After release {compared.pk}, a shadow: 10 of 60 pairs disagree" in form
    assert 'value="canary" checked' in form
    assert signed.post(f"/releases/{compared.pk}/end/").status_code == 409


def test_how_packages_are_compared_is_changed_on_a_page(client, live, packages, person):  # noqa: F811
    given = {"sticky": "distance", "tolerance": 20, "limit": 2, "pairs": 500, "rtol": 10, "atol": 0.5}
    client.force_login(person("developer"))
    assert client.post("/models/flight-eta/comparing/", given).status_code == 403
    client.force_login(User.objects.create_user("ada"))
    User.objects.get(username="ada").groups.add(Group.objects.get(name="admin"))
    assert client.post("/models/flight-eta/comparing/", given | {"limit": 0}).status_code == 400
    assert client.post("/models/flight-eta/comparing/", given | {"sticky": "colour"}).status_code == 400
    assert client.post("/models/flight-eta/comparing/", given).status_code == 302
    model = packages[0].model
    model.refresh_from_db()
    assert (model.sticky, model.tolerance) == ("distance", 0.02)
    assert model.agreement == {"limit": 0.02, "pairs": 500, "atol": 0.5, "rtol": 0.1}
    assert 'value="20"' in client.get("/models/flight-eta/comparing/").content.decode()
