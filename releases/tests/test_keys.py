"""Keys and tokens: shown once, kept as hashes, published with the next table, refused after revocation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from redis import Redis

from releases import routes, tasks
from releases.actions import keys
from releases.errors import Conflict, Forbidden, Refused
from releases.models import AccessToken, ApiKey, AuditRow, Environment
from serving import exchange

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
        ({"name": "x", "requests_per_second": 0}, "requests_per_second"),
        ({"name": "x", "concurrent_requests": 10**9}, "concurrent_requests"),
        ({"name": "x", "origins": ["ftp://shop.example.com"]}, "origins"),
    ],
)
def test_wrong_input_names_its_field(
    environments: Environments, manager: User, values: dict[str, object], field: str
) -> None:
    with pytest.raises(Refused) as refused:
        keys.issue(actor=manager, environment=environments["dev"], **values)
    assert refused.value.field == field


def published(environment: Environment, key: ApiKey) -> list[dict[str, object]]:
    return [each for each in routes.render(environment)["keys"] if each["row"] == key.pk]


def test_a_rotated_key_keeps_its_old_secret_for_a_while_and_one_set_of_limits(
    environments: Environments, manager: User
) -> None:
    dev = environments["dev"]
    key, old = keys.issue(actor=manager, environment=dev, name="client", requests_per_second=5)
    key, new = keys.rotate(actor=manager, key=key)
    newest, before = published(dev, key)
    assert [newest["hash"], before["hash"]] == [keys.hashed(new), keys.hashed(old)]
    assert (newest["expires"], newest["requests_per_second"], before["requests_per_second"]) == (None, 5, 5)
    assert before["expires"] == pytest.approx((timezone.now() + timedelta(hours=24)).timestamp(), abs=60)
    assert AuditRow.objects.get(action="key.rotate").details["before"] == key.previous_prefix


def test_the_old_secret_never_outlives_the_key(environments: Environments, manager: User) -> None:
    ends = timezone.now() + timedelta(hours=1)
    key, _ = keys.issue(actor=manager, environment=environments["dev"], name="client", expires_at=ends)
    key, _ = keys.rotate(actor=manager, key=key)
    assert [each["expires"] for each in published(environments["dev"], key)] == [ends.timestamp()] * 2


def test_an_old_secret_that_has_ended_leaves_the_table(environments: Environments, manager: User) -> None:
    key, _ = keys.issue(actor=manager, environment=environments["dev"], name="client")
    key, new = keys.rotate(actor=manager, key=key, overlap=timedelta(0))
    assert [each["hash"] for each in published(environments["dev"], key)] == [keys.hashed(new)]


def test_revoking_ends_both_secrets(environments: Environments, manager: User) -> None:
    key, _ = keys.issue(actor=manager, environment=environments["dev"], name="client")
    key, _ = keys.rotate(actor=manager, key=key)
    keys.revoke(actor=manager, key=key)
    assert published(environments["dev"], key) == []


@pytest.mark.parametrize("verb", [keys.rotate, keys.change, keys.end_previous])
def test_what_is_revoked_or_slipways_own_is_not_touched(
    environments: Environments, manager: User, verb: Callable[..., object]
) -> None:
    key, _ = keys.issue(actor=manager, environment=environments["dev"], name="client")
    keys.revoke(actor=manager, key=key)
    own = ApiKey.objects.get(environment=environments["dev"], internal=True)
    for each in (key, own):
        with pytest.raises(Conflict):
            verb(actor=manager, key=each)


def test_slipways_own_key_has_no_limits_in_the_table(environments: Environments) -> None:
    (own,) = routes.render(environments["dev"])["keys"]
    assert (own["internal"], own["requests_per_second"], own["concurrent_requests"]) == (True, None, None)


def test_a_change_is_published_and_told(environments: Environments, manager: User) -> None:
    key, _ = keys.issue(actor=manager, environment=environments["dev"], name="client")
    before = environments["dev"].tables.count()
    keys.change(actor=manager, key=key, concurrent_requests=3)
    assert environments["dev"].tables.count() == before + 1
    keys.change(actor=manager, key=key, concurrent_requests=3)
    assert environments["dev"].tables.count() == before + 1
    assert [row.details for row in AuditRow.objects.filter(action="key.change")] == [{"concurrent_requests": [None, 3]}]


def test_the_last_use_is_kept_by_secret_and_never_goes_back(environments: Environments, manager: User) -> None:
    key, old = keys.issue(actor=manager, environment=environments["dev"], name="client")
    keys.note_use({keys.hashed(old): 1_800_000_000})
    key, new = keys.rotate(actor=manager, key=ApiKey.objects.get(pk=key.pk))
    assert keys.note_use({keys.hashed(old): 1_800_000_060, keys.hashed(new): 1_800_000_070, "gone": 5}) == ["gone"]
    keys.note_use({keys.hashed(new): 1_700_000_000})
    key.refresh_from_db()
    assert (key.previous_used_at.timestamp(), key.last_used_at.timestamp()) == (1_800_000_060, 1_800_000_070)


def test_the_task_brings_the_use_from_redis_and_forgets_who_is_gone(
    environments: Environments, manager: User, redis: Redis
) -> None:
    key, secret = keys.issue(actor=manager, environment=environments["dev"], name="client")
    exchange.put_used(redis, {keys.hashed(secret): 1_800_000_000, "gone": 1})
    tasks.note_key_use()
    key.refresh_from_db()
    assert key.last_used_at.timestamp() == 1_800_000_000
    assert exchange.get_used(redis).keys() == {keys.hashed(secret)}


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
