from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from releases.actions import keys as actions
from releases.models import AccessToken

pytestmark = pytest.mark.django_db
SECRET = re.compile(r"st_[A-Za-z0-9_-]{43}")
OLD, NEW = "a long pass phrase", "an even longer pass phrase"


def text(answer) -> str:
    return answer.content.decode()


@pytest.fixture
def client(signed_in, redis):
    return signed_in("developer")


@pytest.fixture
def user(client):
    user = User.objects.get(username="developer")
    user.set_password(OLD)
    user.save()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return user


def test_the_page_says_the_role_and_what_it_allows(client, signed_in):
    page = text(client.get("/account/"))
    assert "Developer. You may deploy, register, run batches, run suites." in page
    assert "You may look at everything and change nothing." in text(signed_in("viewer").get("/account/"))


def test_a_token_is_shown_once_and_only_its_hash_is_kept(client, user):
    answer = client.post("/account/tokens/", {"name": "CI", "expires": "30"})
    assert answer.status_code == 201
    assert "no-store" in answer["Cache-Control"]
    secret = SECRET.search(text(answer)).group()
    token = AccessToken.objects.get(user=user)
    assert token.hash == actions.hashed(secret)
    assert abs(token.expires_at - timezone.now() - timedelta(days=30)) < timedelta(minutes=1)
    assert secret not in text(client.get("/account/"))


@pytest.mark.parametrize("values", [{"name": ""}, {"name": "  "}, {"name": "CI", "expires": "soon"}, {"name": "CI"}])
def test_a_token_with_wrong_input_is_not_made(client, user, values):
    assert client.post("/account/tokens/", values).status_code == 400
    assert not AccessToken.objects.exists()


def test_one_revokes_ones_own_tokens_after_a_question(client, user):
    token, _ = actions.issue_token(user=user, name="<b>CI</b>")
    page = text(client.get(f"/account/tokens/{token.pk}/revoke/"))
    assert "<b>CI" not in page
    assert AccessToken.objects.exists()
    assert client.post(f"/account/tokens/{token.pk}/revoke/").url == "/account/"
    assert not AccessToken.objects.exists()


def test_the_tokens_of_others_do_not_exist_here_not_even_for_an_admin(client, user, signed_in):
    token, _ = actions.issue_token(user=user, name="Nightly build")
    admin = signed_in("admin")
    assert "Nightly build" not in text(admin.get("/account/"))
    assert admin.post(f"/account/tokens/{token.pk}/revoke/").status_code == 404
    assert AccessToken.objects.exists()


def test_the_password_changes_and_other_sessions_end(client, user):
    elsewhere = Client()
    elsewhere.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    values = {"old_password": OLD, "new_password1": NEW, "new_password2": NEW}
    assert client.post("/account/password/", values).url == "/account/"
    user.refresh_from_db()
    assert user.check_password(NEW)
    assert client.get("/account/").status_code == 200
    assert elsewhere.get("/account/").status_code == 302


@pytest.mark.parametrize(
    "change",
    [
        {"old_password": "guess"},
        {"new_password2": "something else"},
        {"new_password1": "tiny one", "new_password2": "tiny one"},
        {"new_password1": "password1234", "new_password2": "password1234"},
    ],
)
def test_a_wrong_or_weak_password_changes_nothing(client, user, change):
    values = {"old_password": OLD, "new_password1": NEW, "new_password2": NEW} | change
    answer = client.post("/account/password/", values)
    assert answer.status_code == 400
    assert "errorlist" in text(answer)
    user.refresh_from_db()
    assert user.check_password(OLD)
    for given in values.values():
        assert given not in text(answer)
