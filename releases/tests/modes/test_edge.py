"""Edge: channels follow what is live; withdrawals are for all devices at once; the fleet is counted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from releases.actions import environments as places
from releases.actions import packages, releases, rollbacks
from releases.errors import Conflict, Forbidden, Refused
from releases.models import AuditRow, EdgeBundle, EdgeChannel, Environment, MLModel, Package, Release
from releases.modes.edge import bundles, channels, fleet, releasing
from releases.tests.conftest import FakeGateway
from releases.tests.modes.edges import (
    check_in,
    finish,
    follow_offer,
    go_live,
    offer_of,
    offered,
    to_the_end,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("edge_folder")]


# --- channels ---------------------------------------------------------------------------------------------------------


def test_an_open_channel_offers_what_is_live_in_its_environment(stable: EdgeChannel) -> None:
    assert stable.environment.name == "production"
    assert offered(stable) == (1, None, 0.0)


def test_a_closed_channel_offers_nothing_and_its_number_grows(stable: EdgeChannel, manager: User) -> None:
    before = offer_of(stable).serial
    channels.switch(actor=manager, model=stable.model, name="stable", on=False)
    assert offered(stable) == (None, None, 0.0)
    channels.switch(actor=manager, model=stable.model, name="stable", on=True)
    assert offered(stable) == (1, None, 0.0)
    assert offer_of(stable).serial >= before + 2
    assert AuditRow.objects.filter(action="edge.channel").count() == 3


def test_what_has_not_changed_is_not_signed_again(stable: EdgeChannel) -> None:
    before = offer_of(stable)
    assert channels.publish(stable) == before


def test_a_restored_database_does_not_count_again_what_devices_have_seen(stable: EdgeChannel, manager: User) -> None:
    seen = offer_of(stable).serial
    EdgeChannel.objects.update(serial=3)
    channels.switch(actor=manager, model=stable.model, name="stable", on=False)
    assert offer_of(stable).serial >= seen


def test_deleting_a_package_takes_its_bundle_along(numbered: list[Package], person: Callable[[str], User]) -> None:
    made = bundles.export(actor=None, package=numbered[1]).bundle or ""
    packages.delete(actor=person("admin"), package=numbered[1])
    assert not bundles.folder(made).exists()
    assert not EdgeBundle.objects.exists()


def test_an_environment_that_held_nothing_goes_with_its_channel(
    model: MLModel, manager: User, person: Callable[[str], User], environments: dict[str, Environment]
) -> None:
    channels.switch(actor=manager, model=model, name="beta", on=True)
    places.delete(actor=person("admin"), environment=environments["staging"])
    assert not EdgeChannel.objects.exists()


def test_a_channel_needs_its_environment_and_a_name_that_there_is(
    live: Package, model: MLModel, manager: User, production: Environment
) -> None:
    with pytest.raises(Refused, match="stable, beta"):
        channels.switch(actor=manager, model=model, name="nightly", on=True)
    Environment.objects.filter(name="staging").update(name="acceptance")
    with pytest.raises(Conflict, match="follows the environment staging"):
        channels.switch(actor=manager, model=model, name="beta", on=True)


def test_who_may_not_deploy_there_may_not_touch_a_channel(stable: EdgeChannel, person: Callable[[str], User]) -> None:
    developer = person("developer")
    for act in (
        lambda: channels.switch(actor=developer, model=stable.model, name="stable", on=False),
        lambda: releasing.start(actor=developer, channel=stable),
        lambda: releasing.withdraw(actor=developer, channel=stable, reason="x"),
    ):
        with pytest.raises(Forbidden):
            act()


# --- following what goes live -----------------------------------------------------------------------------------------


def test_releasing_for_calls_sends_the_package_to_devices_by_the_same_act(
    stable: EdgeChannel, numbered: list[Package], production: Environment, gateway: FakeGateway
) -> None:
    follow_offer(stable)
    release = go_live(numbered[1], production, gateway)
    at_devices = channels.coming(stable)
    assert at_devices
    assert at_devices.package == numbered[1]
    row = AuditRow.objects.get(action="release.finish", subject=str(release))
    assert row.details["modes"] == ["rest", "batch", "stream", "edge stable"]
    to_the_end(at_devices)
    assert offered(stable) == (1, 2, 0.01)


def test_rolling_back_for_calls_takes_it_back_from_all_devices_at_once(
    stable: EdgeChannel, numbered: list[Package], production: Environment, gateway: FakeGateway, manager: User
) -> None:
    follow_offer(stable)
    go_live(numbered[1], production, gateway)
    first = channels.coming(stable)
    assert first
    to_the_end(first)
    finish(first, stable)
    assert offered(stable) == (2, None, 0.0)
    back = rollbacks.roll_back(actor=manager, model=stable.model, environment=production, reason="too slow")
    assert offered(stable) == (1, None, 0.0)
    row = AuditRow.objects.get(action="release.create", subject=str(back))
    assert "edge stable" in row.details["modes"]
    second = channels.coming(stable)
    assert second
    assert to_the_end(second).state == "live"
    first.refresh_from_db()
    assert first.retired_at


def test_rolling_back_while_devices_get_it_stops_that(
    stable: EdgeChannel, numbered: list[Package], production: Environment, gateway: FakeGateway, manager: User
) -> None:
    follow_offer(stable)
    go_live(numbered[1], production, gateway)
    running = channels.coming(stable)
    assert running
    to_the_end(running)
    rollbacks.roll_back(actor=manager, model=stable.model, environment=production, reason="too slow")
    running.refresh_from_db()
    assert running.state == "failed"
    assert offered(stable) == (1, None, 0.0)
    assert channels.coming(stable) is None


def test_switching_off_for_calls_switches_devices_off(
    stable: EdgeChannel, production: Environment, manager: User
) -> None:
    rollbacks.roll_back(actor=manager, model=stable.model, environment=production, off=True, reason="wrong")
    assert offered(stable) == (None, None, 0.0)
    running = channels.coming(stable)
    assert running
    assert to_the_end(running).state == "live"
    assert offered(stable) == (None, None, 0.0)


def test_a_package_that_no_device_can_run_leaves_the_channel_as_it_is(
    stable: EdgeChannel, numbered: list[Package], production: Environment, gateway: FakeGateway
) -> None:
    Package.objects.filter(pk=numbered[1].pk).update(runtime="sklearn")
    numbered[1].refresh_from_db()
    go_live(numbered[1], production, gateway)
    assert offered(stable) == (1, None, 0.0)
    assert channels.coming(stable) is None


def test_a_release_to_devices_is_none_of_the_traffic(
    stable: EdgeChannel, numbered: list[Package], production: Environment, manager: User
) -> None:
    Environment.objects.update(needs_previous=False)
    production.refresh_from_db()
    releases.promote(actor=manager, package=numbered[1], environment=production, strategy="blue_green")
    assert Release.traffic.filter(state__in=Release.UNFINISHED).count() == 1
    assert not rollbacks.is_current(Release.objects.filter(strategy="edge").latest("id"))


# --- the fleet --------------------------------------------------------------------------------------------------------


def test_a_device_is_counted_by_what_it_runs(stable: EdgeChannel) -> None:
    offer = offer_of(stable)
    assert offer.bundle
    check_in(stable, "a", offer.bundle.id, seconds=0.001)
    check_in(stable, "b", offer.bundle.id, seconds=0.003)
    check_in(stable, "c", "", "refused", words="no")
    check_in(stable, "a", offer.bundle.id, seconds=0.002)
    found = {each.package: each for each in fleet.versions([stable])}
    assert (found[1].devices, found[1].failed, found[1].seconds) == (2, 0, pytest.approx(0.0025))
    assert (found[None].devices, found[None].failed) == (1, 1)
    assert [each.name for each in fleet.troubled([stable])] == ["c"]


def test_a_bundle_that_was_not_made_here_is_refused(stable: EdgeChannel) -> None:
    with pytest.raises(Refused, match="not made here"):
        check_in(stable, "a", "0" * 64)


def test_more_devices_than_a_channel_holds_are_refused(stable: EdgeChannel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "MOST", 2)
    for name in ("a", "b", "a"):
        check_in(stable, name, "")
    with pytest.raises(Refused, match="2 devices"):
        check_in(stable, "c", "")
