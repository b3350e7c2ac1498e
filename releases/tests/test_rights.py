"""Rights: what each role may, and that nobody without a role may anything."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, User

from releases import rights
from releases.errors import Forbidden
from releases.models import Environment

ALL = [rights.REGISTER, rights.DEPLOY, rights.SIGN_OFF, rights.DELETE, rights.ENVIRONMENTS, rights.KEYS, rights.CAPTURE]


def test_somebody_without_a_role_may_nothing(environments: dict[str, Environment]) -> None:
    nobody = User.objects.create(username="nobody")
    for person in (nobody, AnonymousUser()):
        assert not any(rights.may(person, right) for right in ALL)


def test_a_superuser_is_an_admin(environments: dict[str, Environment]) -> None:
    assert all(rights.may(User(username="root", is_superuser=True), right) for right in ALL)


def test_the_refusal_says_who_may(environments: dict[str, Environment]) -> None:
    nobody = User.objects.create(username="nobody")
    with pytest.raises(Forbidden, match=r"deploy in production\. .*release manager, admin"):
        rights.require(nobody, rights.DEPLOY, environments["production"])
