"""Tokens: who gets in, who does not, and what a use leaves behind."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from releases.actions import keys
from releases.models import AccessToken


@pytest.fixture
def token(person) -> tuple[AccessToken, str]:
    return keys.issue_token(user=person("viewer"), name="laptop")


def me(header: str):
    return APIClient(headers={"Authorization": header}).get("/api/me/")


def test_a_token_says_who_calls(token):
    assert me(f"Token {token[1]}").json()["username"] == "viewer"
    assert me(f"token {token[1]}").status_code == 200


def test_a_wrong_header_is_401_in_words(token):
    secret = token[1]
    wrong = [
        "Token",
        f"Token {secret}x",
        f"Token {secret} more",
        "Token st_é",
        f"Bearer {secret}",
        "Basic eDp5",
        "\xff",
    ]
    answers = {header: me(header.encode("latin-1").decode("latin-1")) for header in wrong}
    assert {answer.status_code for answer in answers.values()} == {401}
    assert all(answer["WWW-Authenticate"].startswith("Token") for answer in answers.values())
    assert "not known" in answers[f"Token {secret}x"].json()["detail"]


def test_an_expired_token_is_told_so(token):
    AccessToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    answer = me(f"Token {token[1]}")
    assert (answer.status_code, answer.json()) == (401, {"detail": "This token has expired. Issue a new one."})


def test_the_token_of_somebody_who_left_is_refused(token, person):
    user = person("viewer")
    user.is_active = False
    user.save()
    assert me(f"Token {token[1]}").status_code == 401


def test_a_use_is_written_down_once_a_minute(token, django_assert_num_queries):
    me(f"Token {token[1]}")
    first = AccessToken.objects.get().last_used_at
    with django_assert_num_queries(3):  # the token with its user, the roles, the environments
        me(f"Token {token[1]}")
    assert AccessToken.objects.get().last_used_at == first
    AccessToken.objects.update(last_used_at=first - timedelta(minutes=2))
    me(f"Token {token[1]}")
    assert AccessToken.objects.get().last_used_at >= first


def test_only_the_hash_of_a_token_is_kept(token):
    row = AccessToken.objects.values().get()
    assert token[1] not in str(row)
    assert row["hash"] == keys.hashed(token[1])
