"""Promote, roll back, abort: rights, gates, and what the route table says after each step."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from releases import reconciler, routes
from releases.actions import releases, rollbacks
from releases.errors import Conflict, Forbidden, Refused
from releases.models import Environment, MLModel, Package, PublishedTable, Release, Route
from releases.tests.conftest import FakeGateway, make_package

Environments = dict[str, Environment]


def weights(environment: Environment, model: str = "flight-eta") -> dict[int, tuple[str, float]]:
    table = routes.render(Environment.objects.get(pk=environment.pk))["routes"]
    return {target["package"]: (target["arm"], target["weight"]) for target in table[model]["targets"]}


def settle(release: Release, gateway: FakeGateway) -> Release:
    """Step until nothing moves; the gateway adopts whatever was published."""
    for _ in range(20):
        routes.send_all()
        gateway.adopt()
        if reconciler.reconcile(release.pk) is None:
            break
    release.refresh_from_db()
    return release


def bring(package: Package, environment: Environment, gateway: FakeGateway, **kwargs: Any) -> Release:
    return settle(releases.promote(actor=None, package=package, environment=environment, **kwargs), gateway)


def test_the_first_release_goes_live(environments: Environments, packages: list[Package], gateway: FakeGateway) -> None:
    assert bring(packages[0], environments["dev"], gateway).state == "live"
    assert weights(environments["dev"]) == {1: ("stable", 100.0)}


def test_blue_green_warms_before_it_switches(
    environments: Environments, packages: list[Package], gateway: FakeGateway
) -> None:
    dev = environments["dev"]
    bring(packages[0], dev, gateway)
    release = releases.promote(actor=None, package=packages[1], environment=dev)
    reconciler.reconcile(release.pk)
    assert weights(dev) == {1: ("stable", 100.0), 2: ("candidate", 0.0)}
    gateway.adopt(generation=0)
    assert reconciler.reconcile(release.pk).action == "hold"
    routes.send_all()
    gateway.adopt()
    assert reconciler.reconcile(release.pk).action == "shift"
    assert weights(dev) == {1: ("stable", 0.0), 2: ("candidate", 100.0)}
    assert settle(release, gateway).state == "live"
    assert weights(dev) == {2: ("stable", 100.0), 1: ("previous", 0.0)}


def test_recreate_leaves_nothing_on_in_between(
    environments: Environments, packages: list[Package], gateway: FakeGateway
) -> None:
    dev = environments["dev"]
    bring(packages[0], dev, gateway)
    release = releases.promote(actor=None, package=packages[1], environment=dev, strategy="recreate")
    seen = []
    for _ in range(10):
        seen.append(weights(dev))
        routes.send_all()
        gateway.adopt()
        if reconciler.reconcile(release.pk) is None:
            break
    assert {} in seen
    assert all(sum(weight for _, weight in table.values()) in (0.0, 100.0) for table in seen)
    release.refresh_from_db()
    assert release.state == "live"
    assert release.off_at < release.on_at


def test_a_package_that_no_gateway_can_load_fails_and_the_live_one_stays(
    environments: Environments, packages: list[Package], gateway: FakeGateway
) -> None:
    dev = environments["dev"]
    bring(packages[0], dev, gateway)
    release = releases.promote(actor=None, package=packages[1], environment=dev)
    reconciler.reconcile(release.pk)
    gateway.adopt(errors={packages[1].digest: "error: the model file is damaged"}, generation=0)
    reconciler.reconcile(release.pk)
    release.refresh_from_db()
    assert release.state == "failed"
    assert "the model file is damaged" in release.note
    assert weights(dev) == {1: ("stable", 100.0)}


def test_a_rollback_moves_the_traffic_in_its_own_transaction(
    environments: Environments, packages: list[Package], gateway: FakeGateway, manager: User, model: MLModel
) -> None:
    dev = environments["dev"]
    first = bring(packages[0], dev, gateway)
    second = bring(packages[1], dev, gateway)
    back = rollbacks.roll_back(actor=manager, model=model, environment=dev, reason="wrong arrival times")
    assert weights(dev) == {1: ("stable", 100.0), 2: ("previous", 0.0)}
    assert (back.package, back.replaces, back.rolls_back) == (packages[0], packages[1], second)
    assert settle(back, gateway).state == "live"
    second.refresh_from_db()
    first.refresh_from_db()
    assert second.retired_at
    assert first.retired_at


def test_a_rollback_before_the_switch_fails_the_release_and_opens_none(
    environments: Environments, packages: list[Package], gateway: FakeGateway, manager: User, model: MLModel
) -> None:
    dev = environments["dev"]
    bring(packages[0], dev, gateway)
    release = releases.promote(actor=manager, package=packages[1], environment=dev)
    reconciler.reconcile(release.pk)
    ended = rollbacks.roll_back(actor=manager, model=model, environment=dev, reason="not now")
    assert (ended.pk, ended.state) == (release.pk, "failed")
    assert weights(dev) == {1: ("stable", 100.0)}


def test_a_rollback_while_watching_ends_the_release_and_opens_the_return(
    environments: Environments, packages: list[Package], gateway: FakeGateway, manager: User, model: MLModel
) -> None:
    dev = environments["dev"]
    bring(packages[0], dev, gateway)
    Environment.objects.filter(pk=dev.pk).update(watch_seconds=600)
    release = bring(packages[1], dev, gateway)
    assert release.state == "watching"
    back = rollbacks.roll_back(actor=manager, model=model, environment=dev, reason="errors")
    release.refresh_from_db()
    assert (release.state, back.package, back.rolls_back) == ("failed", packages[0], release)
    assert weights(dev) == {1: ("stable", 100.0), 2: ("previous", 0.0)}
    assert settle(back, gateway).state == "live"


def test_the_first_release_rolls_back_to_off(
    environments: Environments, packages: list[Package], gateway: FakeGateway, manager: User, model: MLModel
) -> None:
    dev = environments["dev"]
    bring(packages[0], dev, gateway)
    with pytest.raises(Conflict, match="No package is left") as held:
        rollbacks.roll_back(actor=manager, model=model, environment=dev, reason="take it off")
    assert held.value.legal == ["off"]
    back = rollbacks.roll_back(actor=manager, model=model, environment=dev, off=True, reason="take it off")
    assert weights(dev) == {1: ("previous", 0.0)}
    assert settle(back, gateway).state == "live"


def test_a_rollback_to_a_chosen_package(
    environments: Environments, packages: list[Package], gateway: FakeGateway, manager: User, model: MLModel
) -> None:
    for package in packages:
        bring(package, environments["dev"], gateway)
    rollbacks.roll_back(
        actor=manager, model=model, environment=environments["dev"], package=packages[0], reason="the oldest"
    )
    assert weights(environments["dev"])[1] == ("stable", 100.0)


def test_a_chosen_package_before_the_switch_leaves_what_was_live(
    environments: Environments, packages: list[Package], gateway: FakeGateway, manager: User, model: MLModel
) -> None:
    dev = environments["dev"]
    for package in packages[:2]:
        bring(package, dev, gateway)
    release = releases.promote(actor=manager, package=packages[2], environment=dev)
    reconciler.reconcile(release.pk)
    rollbacks.roll_back(actor=manager, model=model, environment=dev, package=packages[0], reason="the oldest")
    assert weights(dev) == {1: ("stable", 100.0), 2: ("previous", 0.0)}
    release.refresh_from_db()
    assert release.state == "failed"


def test_choosing_what_is_live_before_the_switch_only_stops_the_release(
    environments: Environments, packages: list[Package], gateway: FakeGateway, manager: User, model: MLModel
) -> None:
    dev = environments["dev"]
    bring(packages[0], dev, gateway)
    release = releases.promote(actor=manager, package=packages[1], environment=dev)
    ended = rollbacks.roll_back(actor=manager, model=model, environment=dev, package=packages[0], reason="stay")
    assert (ended.pk, ended.state, Release.objects.count()) == (release.pk, "failed", 2)


def test_of_two_rollbacks_the_second_brings_nothing_back(
    environments: Environments, packages: list[Package], gateway: FakeGateway, manager: User, model: MLModel
) -> None:
    dev = environments["dev"]
    for package in packages[:2]:
        bring(package, dev, gateway)
    bad = {"actor": manager, "model": model, "environment": dev, "leaving": packages[1], "reason": "wrong"}
    back = rollbacks.roll_back(**bad)
    for _ in range(2):
        with pytest.raises(Conflict, match="Package 2 does not decide"):
            rollbacks.roll_back(**bad)
        with pytest.raises(Conflict, match="was a rollback"):
            rollbacks.roll_back(actor=manager, model=model, environment=dev, reason="wrong")
        settle(back, gateway)
    assert weights(dev)[1] == ("stable", 100.0)
    rollbacks.roll_back(actor=manager, model=model, environment=dev, package=packages[1], reason="it was right")
    assert weights(dev)[2] == ("stable", 100.0)


def test_a_second_stop_does_not_take_what_is_live(
    environments: Environments, packages: list[Package], gateway: FakeGateway, manager: User, model: MLModel
) -> None:
    dev = environments["dev"]
    for package in packages[:2]:
        bring(package, dev, gateway)
    releases.promote(actor=manager, package=packages[2], environment=dev)
    stop = {"actor": manager, "model": model, "environment": dev, "leaving": packages[2], "reason": "not this"}
    assert rollbacks.roll_back(**stop).state == "failed"
    with pytest.raises(Conflict, match="Package 3 does not decide"):
        rollbacks.roll_back(**stop)
    assert weights(dev)[2] == ("stable", 100.0)


def test_a_rollback_goes_only_where_it_has_been(
    environments: Environments, packages: list[Package], gateway: FakeGateway, manager: User, model: MLModel
) -> None:
    bring(packages[0], environments["dev"], gateway)
    with pytest.raises(Refused, match=r"never live in dev\. Promote it") as refused:
        rollbacks.roll_back(
            actor=manager, model=model, environment=environments["dev"], package=packages[1], reason="a way in"
        )
    assert refused.value.field == "package"


def test_a_package_that_the_gateways_leave_out_never_becomes_what_is_live(
    environments: Environments, packages: list[Package], gateway: FakeGateway
) -> None:
    dev = environments["dev"]
    bring(packages[0], dev, gateway)
    release = releases.promote(actor=None, package=packages[1], environment=dev)
    for _ in range(2):
        routes.send_all()
        gateway.adopt()
        reconciler.reconcile(release.pk)
    routes.send_all()
    gateway.adopt(errors={packages[1].digest: "error: quarantined"})
    reconciler.reconcile(release.pk)
    release.refresh_from_db()
    assert release.state == "failed"
    assert weights(dev) == {1: ("stable", 100.0)}


def test_a_rollback_cannot_be_stopped_because_it_has_happened(
    environments: Environments, packages: list[Package], gateway: FakeGateway, manager: User, model: MLModel
) -> None:
    dev = environments["dev"]
    for package in packages[:2]:
        bring(package, dev, gateway)
    back = rollbacks.roll_back(actor=manager, model=model, environment=dev, reason="wrong")
    with pytest.raises(Conflict, match="taken effect"):
        releases.abort(actor=manager, release=back, reason="no")
    assert settle(back, gateway).state == "live"


def test_a_rollback_wants_a_reason_and_something_to_leave(
    environments: Environments, packages: list[Package], manager: User, model: MLModel
) -> None:
    with pytest.raises(Refused) as refused:
        rollbacks.roll_back(actor=manager, model=model, environment=environments["dev"], reason=" ")
    assert refused.value.field == "reason"
    with pytest.raises(Conflict, match="Nothing is live"):
        rollbacks.roll_back(actor=manager, model=model, environment=environments["dev"], reason="x")


def test_promotion_follows_the_order(
    environments: Environments, packages: list[Package], gateway: FakeGateway, manager: User
) -> None:
    with pytest.raises(Conflict, match="has not been live in dev yet") as refused:
        releases.promote(actor=manager, package=packages[0], environment=environments["test"])
    assert "environment=dev" in refused.value.legal[0]
    for name in ("dev", "test", "staging", "production"):
        assert bring(packages[0], environments[name], gateway).state == "live"


def test_one_unfinished_release_per_model_and_environment(
    environments: Environments, packages: list[Package], manager: User
) -> None:
    releases.promote(actor=manager, package=packages[0], environment=environments["dev"])
    with pytest.raises(Conflict, match="under way") as refused:
        releases.promote(actor=manager, package=packages[1], environment=environments["dev"])
    assert refused.value.legal == ["begin", "abort", "fail"]


def test_what_is_live_is_not_released_again(
    environments: Environments, packages: list[Package], gateway: FakeGateway, manager: User
) -> None:
    bring(packages[0], environments["dev"], gateway)
    with pytest.raises(Conflict, match="live in dev already"):
        releases.promote(actor=manager, package=packages[0], environment=environments["dev"])


def test_a_signature_that_refuses_more_shares_no_traffic(
    environments: Environments, model: MLModel, packages: list[Package], gateway: FakeGateway, manager: User
) -> None:
    bring(packages[0], environments["dev"], gateway)
    strict = dict(packages[0].signature, metadata={"constraints": {"distance": {"gt": 100}}})
    narrower = make_package(model, 4, signature=strict)
    with pytest.raises(Conflict, match="refuses calls that package 1 answers"):
        releases.promote(actor=manager, package=narrower, environment=environments["dev"])
    assert bring(narrower, environments["dev"], gateway, strategy="recreate").state == "live"


def test_a_release_can_start_at_a_chosen_time(
    environments: Environments, packages: list[Package], gateway: FakeGateway
) -> None:
    later = timezone.now() + timedelta(hours=1)
    release = bring(packages[0], environments["dev"], gateway, start_at=later)
    assert (release.state, release.note) == ("waiting", "Waits for its start time.")
    Release.objects.filter(pk=release.pk).update(start_at=timezone.now())
    assert settle(release, gateway).state == "live"


def test_a_start_time_in_the_past_is_refused_and_this_minute_is_now(
    environments: Environments, packages: list[Package], gateway: FakeGateway
) -> None:
    with pytest.raises(Refused, match="in the past"):
        bring(packages[0], environments["dev"], gateway, start_at=timezone.now() - timedelta(hours=1))
    this_minute = timezone.now() - timedelta(seconds=40)
    assert bring(packages[0], environments["dev"], gateway, start_at=this_minute).state == "live"


def test_an_aborted_release_gives_the_traffic_back(
    environments: Environments, packages: list[Package], gateway: FakeGateway, manager: User
) -> None:
    bring(packages[0], environments["dev"], gateway)
    release = releases.promote(actor=manager, package=packages[1], environment=environments["dev"])
    reconciler.reconcile(release.pk)
    releases.abort(actor=manager, release=Release.objects.get(pk=release.pk), reason="changed my mind")
    assert weights(environments["dev"]) == {1: ("stable", 100.0)}


@pytest.mark.parametrize(
    ("role", "environment", "allowed"),
    [
        ("viewer", "dev", False),
        ("QA", "dev", False),
        ("developer", "dev", True),
        ("developer", "test", True),
        ("developer", "staging", False),
        ("developer", "production", False),
        ("release manager", "production", True),
        ("admin", "production", True),
    ],
)
def test_each_role_releases_only_where_it_may(
    person: Callable[[str], User],
    environments: Environments,
    packages: list[Package],
    role: str,
    environment: str,
    allowed: bool,
) -> None:
    Environment.objects.update(needs_previous=False)
    place = Environment.objects.get(name=environment)
    if allowed:
        assert releases.promote(actor=person(role), package=packages[0], environment=place).created_by == person(role)
        return
    with pytest.raises(Forbidden):
        releases.promote(actor=person(role), package=packages[0], environment=place)
    with pytest.raises(Forbidden):
        rollbacks.roll_back(actor=person(role), model=packages[0].model, environment=place, reason="x")


def test_every_published_table_is_kept_and_numbered_without_a_gap(
    environments: Environments, packages: list[Package], gateway: FakeGateway
) -> None:
    for package in packages:
        bring(package, environments["dev"], gateway)
    dev = Environment.objects.get(name="dev")
    numbers = list(PublishedTable.objects.filter(environment=dev).order_by("id").values_list("generation", flat=True))
    assert numbers == list(range(1, dev.generation + 1))
    assert Route.objects.get(environment=dev).stable == packages[2]


def test_the_same_content_is_not_published_twice(environments: Environments) -> None:
    dev = environments["dev"]
    first = routes.publish(dev, "again")
    assert routes.publish(dev, "and again").generation == first.generation
