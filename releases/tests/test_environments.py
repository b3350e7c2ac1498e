"""Environments: made, copied, changed, ordered, deleted; never while that would lose history."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from redis import Redis

from releases import routes
from releases.actions import copies, releases, setup
from releases.actions import environments as verbs
from releases.errors import Conflict, Forbidden, Refused
from releases.models import AuditRow, Environment, MLModel, Package, PublishedTable
from releases.tests.conftest import make_package
from releases.tests.scenes import put_live
from serving import exchange

Environments = dict[str, Environment]


@pytest.fixture
def admin(person: Callable[[str], User]) -> User:
    return person("admin")


def names() -> list[str]:
    return list(Environment.objects.values_list("name", flat=True))


def test_the_first_start_makes_four_in_order(environments: Environments) -> None:
    assert names() == ["dev", "test", "staging", "production"]
    assert PublishedTable.objects.count() == 4


def test_a_copy_takes_the_settings_and_stands_where_it_is_put(environments: Environments, admin: User) -> None:
    Environment.objects.filter(name="production").update(watch_seconds=77)
    production = Environment.objects.get(name="production")
    copy = verbs.create(actor=admin, name="perf", copy_of=production, before=production)
    assert names() == ["dev", "test", "staging", "perf", "production"]
    assert (copy.watch_seconds, copy.copied_from, copy.keys.filter(internal=True).count()) == (77, "production", 1)


def test_a_new_one_never_becomes_the_last_unasked_because_that_answers_calls_that_name_none(
    environments: Environments, admin: User
) -> None:
    verbs.create(actor=admin, name="perf", copy_of=environments["production"])
    assert names() == ["dev", "test", "staging", "perf", "production"]
    verbs.create(actor=admin, name="beyond", last=True)
    assert names()[-1] == "beyond"


def test_what_is_live_comes_into_a_copy_by_releases_of_its_own(
    environments: Environments, admin: User, packages: list[Package], model: MLModel
) -> None:
    put_live(packages[0], environments["production"])
    put_live(packages[0], environments["staging"])
    other = make_package(MLModel.objects.create(name="never-in-staging"), 1)
    put_live(other, environments["production"])
    perf = verbs.create(actor=admin, name="perf", copy_of=environments["production"])
    brought = copies.bring(actor=admin, source=environments["production"], target=perf)
    assert [(release.package, release.environment.name) for release in brought.releases] == [(packages[0], "perf")]
    assert brought.refused == ["never-in-staging: Package 1 has not been live in staging yet. Release it there first."]


@pytest.mark.parametrize(
    "name", ["v1", "v2", "mlflow", "api", "edge", "order", "Production", "a b", "", "../x", "dev\n", "-x"]
)
def test_a_bad_or_reserved_name_is_refused(environments: Environments, admin: User, name: str) -> None:
    with pytest.raises(Refused) as refused:
        verbs.create(actor=admin, name=name)
    assert refused.value.field == "name"


def test_a_doubled_name_is_refused(environments: Environments, admin: User) -> None:
    with pytest.raises(Refused):
        verbs.create(actor=admin, name="dev")


def test_a_change_says_old_and_new_in_the_audit_row(environments: Environments, admin: User) -> None:
    verbs.change(actor=admin, environment=environments["dev"], watch_seconds=30)
    assert AuditRow.objects.get(action="environment.change").details == {"watch_seconds": [0, 30]}


def test_an_unknown_strategy_is_refused(environments: Environments, admin: User) -> None:
    with pytest.raises(Refused) as refused:
        verbs.change(actor=admin, environment=environments["dev"], default_strategy="yolo")
    assert refused.value.field == "default_strategy"


def test_the_order_names_each_once(environments: Environments, admin: User) -> None:
    verbs.order(actor=admin, names=["test", "dev", "staging", "production"])
    assert names() == ["test", "dev", "staging", "production"]
    for wrong in (["dev"], ["dev", "dev", "staging", "production"], [*names(), "more"]):
        with pytest.raises(Refused):
            verbs.order(actor=admin, names=wrong)


def test_only_one_without_history_is_deleted(environments: Environments, admin: User, packages: list[Package]) -> None:
    verbs.delete(actor=admin, environment=environments["staging"])
    assert "staging" not in names()
    releases.promote(actor=admin, package=packages[0], environment=environments["dev"])
    with pytest.raises(Conflict, match="history"):
        verbs.delete(actor=admin, environment=environments["dev"])


def test_a_new_environment_of_an_old_name_is_not_refused_by_the_gateways(
    environments: Environments, admin: User, redis: Redis
) -> None:
    first = verbs.create(actor=admin, name="qa")
    verbs.change(actor=admin, environment=first, keyless=True)
    last = Environment.objects.get(name="qa").generation
    verbs.delete(actor=admin, environment=first)
    routes.withdraw("qa")
    assert exchange.get_table(redis, "qa") is None
    again = verbs.create(actor=admin, name="qa")
    assert Environment.objects.get(pk=again.pk).generation > last
    routes.send_all()
    assert exchange.get_table(redis, "qa").keyless is False


def test_a_restored_database_goes_on_from_what_the_gateways_have(environments: Environments, redis: Redis) -> None:
    routes.send_all()
    newer = dataclasses.replace(exchange.get_table(redis, "dev"), generation=50, keyless=False)
    exchange.put_table(redis, newer)
    setup.catch_up()
    routes.send_all()
    held = exchange.get_table(redis, "dev")
    assert (held.generation, held.keyless) == (51, True)
    setup.catch_up()
    assert Environment.objects.get(name="dev").generation == 51


def test_only_an_admin_edits_environments(environments: Environments, manager: User) -> None:
    with pytest.raises(Forbidden):
        verbs.create(actor=manager, name="perf")
