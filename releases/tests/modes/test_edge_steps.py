"""Releases to devices go in steps, wait for devices, and are taken back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from releases import lifecycle, reconciler
from releases.actions import line, releases, rollbacks, steering
from releases.errors import Conflict, Refused
from releases.models import EdgeBundle, EdgeChannel, EdgeDevice, Environment, Package, Release
from releases.modes.edge import channels, fleet, releasing
from releases.strategies.edge import STEPS
from releases.tests.conftest import FakeGateway
from releases.tests.modes.edges import (
    NAMES,
    check_in,
    finish,
    follow_offer,
    later,
    offer_of,
    offered,
    to_the_end,
)
from releases.tests.scenes import put_live
from serving.edge.documents import place_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("edge_folder")]


# --- steps ------------------------------------------------------------------------------------------------------------


def test_devices_get_it_step_by_step_and_then_all_of_them(moving: Release, stable: EdgeChannel) -> None:
    assert (moving.state, moving.weight, offered(stable)) == ("shifting", 50.0, (1, 2, 0.5))
    follow_offer(stable)
    later(moving, 61)
    to_the_end(moving)
    assert offered(stable) == (1, 2, 0.9)
    follow_offer(stable)
    later(moving, 61)
    assert to_the_end(moving).state == "live"
    assert offered(stable) == (2, None, 0.0)
    follow_offer(stable)
    assert {(each.package, each.devices) for each in fleet.versions([stable])} == {(2, 40)}


def test_it_does_not_go_on_while_devices_are_silent(moving: Release, stable: EdgeChannel) -> None:
    later(moving, 10_000)
    assert (to_the_end(moving).weight, "Waits for devices" in moving.note) == (50.0, True)


def test_failing_self_tests_take_it_back(moving: Release, stable: EdgeChannel) -> None:
    follow_offer(stable, failing=True)
    assert to_the_end(moving).state == "failed"
    assert "could not run it" in moving.note
    assert offered(stable) == (1, None, 0.0)


def test_one_failing_device_among_many_does_not(moving: Release, stable: EdgeChannel) -> None:
    follow_offer(stable)
    offer = offer_of(stable)
    one = next(name for name in NAMES if place_of(offer.seed, name) < 0.5)
    check_in(stable, one, offer.bundle.id if offer.bundle else "", "failed")
    assert to_the_end(moving).state == "shifting"


def test_what_devices_said_before_this_step_does_not_count_against_it(stable: EdgeChannel, moving: Release) -> None:
    EdgeDevice.objects.update(state="failed", seen_at=moving.step_since - timedelta(minutes=1))
    assert to_the_end(moving).state == "shifting"


def test_a_halt_keeps_the_share_and_a_withdrawal_takes_it_back(
    moving: Release, stable: EdgeChannel, manager: User
) -> None:
    steering.pause(actor=manager, release=moving)
    follow_offer(stable)
    later(moving, 61)
    to_the_end(moving)
    assert offered(stable) == (1, 2, 0.5)
    moving.refresh_from_db()
    releases.abort(actor=manager, release=moving, reason="it is hot")
    assert offered(stable) == (1, None, 0.0)


def test_the_stopped_line_holds_devices_too_but_never_a_withdrawal(
    moving: Release, stable: EdgeChannel, manager: User
) -> None:
    follow_offer(stable)
    later(moving, 61)
    line.stop(actor=manager, reason="storm")
    assert to_the_end(moving).weight == 50.0
    releasing.withdraw(actor=manager, channel=stable, reason="storm")
    assert offered(stable) == (1, None, 0.0)


def test_somebody_may_send_it_to_all_at_once(moving: Release, stable: EdgeChannel, manager: User) -> None:
    assert "promote" in steering.legal(moving)
    steering.promote_now(actor=manager, release=moving, reason="the shops open")
    assert to_the_end(moving).state == "live"
    assert offered(stable) == (2, None, 0.0)


def test_without_devices_nothing_waits(stable: EdgeChannel, numbered: list[Package], production: Environment) -> None:
    put_live(numbered[1], production)
    assert to_the_end(releasing.start(actor=None, channel=stable)).state == "live"
    assert offered(stable) == (2, None, 0.0)


def test_a_withdrawal_without_anything_on_its_way_returns_to_the_package_before(
    moving: Release, stable: EdgeChannel, manager: User
) -> None:
    finish(moving, stable)
    back = releasing.withdraw(actor=manager, channel=stable, reason="it is hot")
    assert offered(stable) == (1, None, 0.0)
    assert to_the_end(back).state == "live"
    off = releasing.withdraw(actor=manager, channel=stable, reason="that too")
    assert off.package is None, "what was withdrawn must not come back"
    assert offered(stable) == (None, None, 0.0)


def test_withdrawing_the_only_package_switches_the_model_off(stable: EdgeChannel, manager: User) -> None:
    release = releasing.withdraw(actor=manager, channel=stable, reason="wrong")
    assert release.package is None
    assert offered(stable) == (None, None, 0.0)
    to_the_end(release)
    with pytest.raises(Conflict, match="Nothing is offered"):
        releasing.withdraw(actor=manager, channel=stable, reason="again")


def test_a_withdrawal_is_not_taken_back_by_another_click(moving: Release, stable: EdgeChannel, manager: User) -> None:
    finish(moving, stable)
    releasing.withdraw(actor=manager, channel=stable, reason="it is hot")
    with pytest.raises(Conflict, match="already"):
        releasing.withdraw(actor=manager, channel=stable, reason="it is hot")
    assert offered(stable) == (1, None, 0.0)


def test_what_was_withdrawn_does_not_come_back_with_the_next_release(
    moving: Release,
    stable: EdgeChannel,
    numbered: list[Package],
    production: Environment,
    gateway: FakeGateway,
    manager: User,
) -> None:
    finish(moving, stable)
    back = releasing.withdraw(actor=manager, channel=stable, reason="it is hot")
    rollbacks.roll_back(actor=manager, model=stable.model, environment=production, package=numbered[0], reason="hot")
    back.refresh_from_db()
    assert back.state == "live"
    assert offered(stable) == (1, None, 0.0)
    assert channels.coming(stable) is None


def test_closing_a_channel_stops_what_is_on_its_way(moving: Release, stable: EdgeChannel, manager: User) -> None:
    channels.switch(actor=manager, model=stable.model, name="stable", on=False)
    moving.refresh_from_db()
    assert moving.state == "aborted"
    channels.switch(actor=manager, model=stable.model, name="stable", on=True)
    assert offered(stable) == (1, None, 0.0)


def test_what_cannot_be_started_says_why(moving: Release, stable: EdgeChannel, manager: User) -> None:
    with pytest.raises(Conflict, match="under way"):
        releasing.start(actor=manager, channel=stable)
    with pytest.raises(Refused, match="higher"):
        releasing.start(actor=manager, channel=stable, steps=[(50.0, 1.0), (10.0, 1.0)])
    with pytest.raises(Refused, match="why"):
        releasing.withdraw(actor=manager, channel=stable, reason=" ")
    finish(moving, stable)
    with pytest.raises(Conflict, match="already"):
        releasing.start(actor=manager, channel=stable)


def test_a_bundle_that_cannot_be_made_fails_the_release(
    stable: EdgeChannel, numbered: list[Package], production: Environment, settings: Any
) -> None:
    put_live(numbered[1], production)
    (settings.ARTEFACTS / numbered[1].artefact.removeprefix("sha256:") / "model.onnx").write_bytes(b"x")
    release = to_the_end(releasing.start(actor=None, channel=stable))
    assert (release.state, "not the file that was accepted" in release.note) == ("failed", True)
    assert offered(stable) == (1, None, 0.0)


def test_steps_that_are_changed_while_the_bundle_is_made_are_kept(
    stable: EdgeChannel, numbered: list[Package], production: Environment, manager: User, monkeypatch: Any
) -> None:
    put_live(numbered[1], production)
    release = releasing.start(actor=None, channel=stable)
    makes = releasing._made

    def meanwhile(now: Release) -> dict[str, str]:
        fresh = Release.objects.get(pk=release.pk)
        steering.set_steps(actor=manager, release=fresh, steps=[(7.0, 60.0)])
        return makes(now)

    monkeypatch.setattr(releasing, "_made", meanwhile)
    reconciler.reconcile(release.pk)
    reconciler.reconcile(release.pk)
    release.refresh_from_db()
    assert release.plan["steps"] == [[7.0, 60.0]]
    assert release.plan["bundle"]


def test_one_worker_makes_the_bundle_and_one_that_died_is_followed(
    stable: EdgeChannel, numbered: list[Package], production: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_live(numbered[1], production)
    release = releasing.start(actor=None, channel=stable)
    reconciler.reconcile(release.pk)
    release.refresh_from_db()
    assert releasing._mine(release)
    for _ in range(3):
        assert "is made" in (reconciler.reconcile(release.pk) or lifecycle).reason  # type: ignore[union-attr]
    assert EdgeBundle.objects.filter(package=numbered[1]).count() == 0
    monkeypatch.setattr(releasing, "MAKING_SECONDS", 0.0)
    assert to_the_end(release).state == "live"


def test_two_who_start_at_once_make_one_release(stable: EdgeChannel, moving: Release) -> None:
    from django.db import IntegrityError, transaction

    with pytest.raises(IntegrityError), transaction.atomic():
        Release.objects.create(
            model=moving.model,
            package=moving.package,
            environment=moving.environment,
            strategy="edge",
            created_at=timezone.now(),
            state_since=timezone.now(),
            step_since=timezone.now(),
        )


def test_the_default_steps_are_those_of_the_issue() -> None:
    assert [weight for weight, _ in STEPS] == [1.0, 10.0, 50.0]
    assert ("shift", "preparing") in lifecycle.MOVES
