"""What holds for every call and answer."""

from __future__ import annotations

import pytest


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/activity/?model=%00", "/playground/?model=%00", "/?%00=1"])
def test_a_nul_character_is_refused_on_every_page(signed_in, environments, path):
    assert signed_in("viewer").get(path).status_code == 400


@pytest.mark.django_db
def test_a_nul_character_in_a_form_is_refused(signed_in, environments):
    answer = signed_in("admin").post("/models/-/new/", "name=a%00b", content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 400


@pytest.mark.django_db
def test_nothing_stands_at_an_address_with_a_nul(signed_in, environments):
    assert signed_in("viewer").get("/models/%00/").status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "status"), [("/api/models/%00/", 404), ("/api/releases/?model=%00", 400)])
def test_rest_says_it_in_json(signed_in, environments, path, status):
    answer = signed_in("viewer").get(path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/json")


@pytest.mark.django_db
def test_every_answer_carries_the_policy(client, environments):
    for path in ("/sign-in/", "/nowhere/", "/api/models/"):
        assert client.get(path).headers["Content-Security-Policy"].startswith("default-src 'self'")
