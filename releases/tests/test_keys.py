"""Keys and tokens: shown once, kept as hashes, published with the next table, refused after revocation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from releases import routes
from releases.actions import keys
from releases.errors import Conflict, Forbidden, Refused
from releases.models import AccessToken, ApiKey, Environment

Environments = dict[str, Environment]


def hashes(environment: Environment) -> set[str]:
    return {key["hash"] for key in routes.render(environment)["keys"]}


def test_the_secret_is_kept_nowhere(environments: Environments, manager: User) -> None:
    key, secret = keys.issue(actor=manager, environment=environments["dev"], name="client")
    assert secret not in str(ApiKey.objects.filter(pk=key.pk).values().get())
    assert keys.hashed(secret) in hashes(environments["dev"])


def test_a_revoked_key_leaves_the_next_table(environments: Environments, manager: User) -> None:
    key, secret = keys.issue(actor=manager, environment=environments["dev"], name="client")
    keys.revoke(actor=manager, key=key, reason="lost")
    assert keys.hashed(secret) not in hashes(environments["dev"])
    with pytest.raises(Conflict, match="revoked already"):
        keys.revoke(actor=manager, key=key)


def test_slipways_own_key_is_there_and_cannot_be_revoked(environments: Environments, manager: User) -> None:
    assert keys.hashed(keys.internal_secret("production")) in hashes(environments["production"])
    with pytest.raises(Conflict, match="own"):
        keys.revoke(actor=manager, key=ApiKey.objects.get(environment=environments["production"], internal=True))


def test_a_new_secret_key_makes_a_new_internal_key(environments: Environments, settings: object) -> None:
    old = keys.hashed(keys.internal_secret("dev"))
    settings.SECRET_KEY = "another"
    keys.ensure_internal(environments["dev"])
    assert old not in hashes(environments["dev"])
    assert keys.hashed(keys.internal_secret("dev")) in hashes(environments["dev"])


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x", "models": ["nobody"]}, "models"),
        ({"name": "x", "expires_at": timezone.now() - timedelta(days=1)}, "expires_at"),
    ],
)
def test_wrong_input_names_its_field(
    environments: Environments, manager: User, values: dict[str, object], field: str
) -> None:
    with pytest.raises(Refused) as refused:
        keys.issue(actor=manager, environment=environments["dev"], **values)
    assert refused.value.field == field


@pytest.mark.parametrize("role", ["viewer", "developer", "QA"])
def test_only_managers_and_admins_issue_keys(
    person: Callable[[str], User], environments: Environments, role: str
) -> None:
    with pytest.raises(Forbidden):
        keys.issue(actor=person(role), environment=environments["dev"], name="x")


def test_a_token_belongs_to_its_user_and_can_be_revoked(manager: User) -> None:
    token, secret = keys.issue_token(user=manager, name="CI")
    assert AccessToken.objects.get(hash=keys.hashed(secret)).user == manager
    keys.revoke_token(actor=manager, token=token)
    assert not AccessToken.objects.exists()
