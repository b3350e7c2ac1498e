from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def account():
    return User.objects.create_user("rokafor", password="a long pass phrase")


def sign_in(client: Client, password: str = "a long pass phrase", **extra: str):
    return client.post("/sign-in/", {"username": "rokafor", "password": password, **extra})


def test_the_right_password_leads_to_the_page_that_was_asked_for(account):
    answer = sign_in(Client(), next="/activity/?model=flight-eta")
    assert (answer.status_code, answer.url) == (302, "/activity/?model=flight-eta")


@pytest.mark.parametrize(
    "address", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "\\\\evil.example"]
)
def test_sign_in_never_leads_to_another_site(account, address):
    answer = sign_in(Client(), next=address)
    assert (answer.status_code, answer.url) == (302, "/")


def test_a_wrong_password_is_said_in_place_and_does_not_tell_whether_the_name_exists(account):
    wrong = sign_in(Client(), "guess").content.decode()
    unknown = Client().post("/sign-in/", {"username": "nobody", "password": "guess"}).content.decode()
    sentence = "This username and password do not belong together."
    assert sentence in wrong
    assert sentence in unknown


def test_too_many_wrong_passwords_lock_the_name_and_the_page_says_for_how_long(account, settings):
    settings.AXES_FAILURE_LIMIT = 3
    client = Client()
    answers = [sign_in(client, f"guess {number}") for number in range(3)]
    assert answers[-1].status_code == 429
    assert "Too many wrong passwords. Try again in 15 minutes." in answers[-1].content.decode()
    assert sign_in(client).status_code == 429


def test_the_next_address_is_kept_while_the_password_is_wrong_and_is_escaped(account):
    page = sign_in(Client(), "guess", next='/x/"><script>alert(1)</script>').content.decode()
    assert "<script>alert(1)" not in page


def test_a_page_without_a_sign_in_leads_to_the_sign_in_page_and_back(environments):
    answer = Client().get("/health/troubles/")
    assert answer.url == "/sign-in/?next=/health/troubles/"


def test_signing_out_needs_a_click_not_a_link(account):
    client = Client()
    client.force_login(account, backend="django.contrib.auth.backends.ModelBackend")
    answer = client.get("/sign-out/")
    assert answer.status_code == 405
    assert "Nothing was changed" in answer.content.decode()
    answer = client.post("/sign-out/")
    assert (answer.status_code, answer.url) == (302, "/sign-in/")
    assert "_auth_user_id" not in client.session
