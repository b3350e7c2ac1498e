"""Edge: bundles and channels follow what is live; releases reach the devices in steps, and withdrawals at once."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from releases import lifecycle, reconciler, routes
from releases.actions import environments as places
from releases.actions import line, packages, releases, rollbacks, steering
from releases.errors import Conflict, Forbidden, Refused
from releases.models import AuditRow, EdgeBundle, EdgeChannel, EdgeDevice, Environment, MLModel, Package, Release
from releases.modes.edge import bundles, channels, fleet, releasing, signing, smaller
from releases.strategies.edge import STEPS
from releases.tests.conftest import FakeGateway
from releases.tests.scenes import put_live
from serving.edge.copies import check
from serving.edge.documents import CHANNEL, Offer, place_of, verify
from serving.edge.trying import test_here

pytestmark = pytest.mark.django_db
test_here.__test__ = False  # type: ignore[attr-defined]
NAMES = [f"till-{number}" for number in range(40)]


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bundles have a folder of the test's own, and are tried in this process."""
    settings.EDGE = tmp_path / "edge"
    monkeypatch.setattr(bundles, "test_apart", test_here)


@pytest.fixture
def stable(live: Package, model: MLModel, manager: User) -> EdgeChannel:
    """An open channel whose devices run package 1."""
    channel = channels.switch(actor=manager, model=model, name="stable", on=True)
    to_the_end(releasing.start(actor=manager, channel=channel))
    channel.refresh_from_db()
    return channel


def to_the_end(release: Release, most: int = 30) -> Release:
    """Look at a release until it waits, or has ended."""
    for _ in range(most):
        plan = reconciler.reconcile(release.pk)
        if plan is None or plan.action == "hold":
            break
    release.refresh_from_db()
    return release


def offer_of(channel: EdgeChannel) -> Offer:
    channel.refresh_from_db()
    data = channel.offer.encode()
    verify(CHANNEL, data, channel.signature, signing.private_key().public_key())
    return Offer.from_bytes(data)


def offered(channel: EdgeChannel) -> tuple[int | None, int | None, float]:
    offer = offer_of(channel)
    return offer.bundle and offer.bundle.package, offer.coming and offer.coming.package, offer.share


def check_in(channel: EdgeChannel, name: str, bundle: str, state: str = "passed", **more: Any) -> EdgeDevice:
    told = {"device": name, "bundle": bundle, "state": state, "words": "", "seconds": 0.001, "memory": 1, **more}
    return fleet.check_in(channel, told)


def follow_offer(channel: EdgeChannel, failing: bool = False) -> None:
    """All devices do what they are offered; `failing`: those of the coming bundle cannot."""
    offer = offer_of(channel)
    for name in NAMES:
        wanted = offer.wanted(name)
        if failing and wanted and wanted == offer.coming:
            check_in(channel, name, offer.bundle.id if offer.bundle else "", "failed", words="no")
        else:
            check_in(channel, name, wanted.id if wanted else "", "passed" if wanted else "off")


def later(release: Release, seconds: float) -> None:
    since = timezone.now() - timedelta(seconds=seconds)
    Release.objects.filter(pk=release.pk).update(step_since=since)


def go_live(package: Package, environment: Environment, gateway: FakeGateway) -> Release:
    """Release a package for calls, all the way."""
    Environment.objects.filter(pk=environment.pk).update(needs_previous=False)
    environment.refresh_from_db()
    release = releases.promote(actor=None, package=package, environment=environment, strategy="recreate")
    for _ in range(20):
        routes.send_all()
        gateway.adopt()
        reconciler.reconcile(release.pk)
    release.refresh_from_db()
    assert release.state == "live", release.note
    return release


# --- bundles ----------------------------------------------------------------------------------------------------------


def test_a_bundle_is_made_once_signed_with_the_key_of_the_set_up(numbered: list[Package], manager: User) -> None:
    made = bundles.export(actor=manager, package=numbered[0])
    assert bundles.export(actor=manager, package=numbered[0]) == made
    assert made.bundle
    manifest = check(bundles.folder(made.bundle), signing.private_key().public_key())
    assert (manifest.model, manifest.package) == ("flight-eta", 1)
    assert (made.size > 0, made.seconds > 0) == (True, True)
    assert AuditRow.objects.filter(action="edge.export").count() == 1


def test_what_scikit_learn_answers_cannot_be_exported_and_says_why(numbered: list[Package], manager: User) -> None:
    Package.objects.filter(pk=numbered[0].pk).update(runtime="sklearn", runtime_reason="Its answers would differ.")
    numbered[0].refresh_from_db()
    with pytest.raises(Conflict, match=r"scikit-learn.*Its answers would differ"):
        bundles.export(actor=manager, package=numbered[0])


def test_a_bundle_that_fails_its_own_test_is_none(
    numbered: list[Package], manager: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    from serving.edge.model import Report

    monkeypatch.setattr(bundles, "test_apart", lambda _: Report("It is wrong."))
    with pytest.raises(Conflict, match="It is wrong"):
        bundles.export(actor=manager, package=numbered[0])
    assert not EdgeBundle.objects.exists()


def test_an_altered_package_makes_no_bundle(numbered: list[Package], manager: User, settings: Any) -> None:
    model = settings.ARTEFACTS / numbered[0].artefact.removeprefix("sha256:") / "model.onnx"
    model.write_bytes(b"other")
    with pytest.raises(Conflict, match="not the file that was accepted"):
        bundles.export(actor=manager, package=numbered[0])


def test_who_may_not_register_may_not_export(numbered: list[Package], person: Callable[[str], User]) -> None:
    with pytest.raises(Forbidden):
        bundles.export(actor=person("viewer"), package=numbered[0])


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "model.onnx/..", "nothing"])
def test_only_files_of_bundles_are_found(numbered: list[Package], manager: User, name: str) -> None:
    made = bundles.export(actor=manager, package=numbered[0]).bundle or ""
    assert bundles.file(made, "model.onnx")
    assert bundles.file(made, name) is None
    assert bundles.file("..", "model.onnx") is None


# --- smaller bundles --------------------------------------------------------------------------------------------------


def test_trees_and_sums_do_not_get_smaller_and_the_reason_is_kept(numbered: list[Package], manager: User) -> None:
    found = smaller.run(numbered[0], manager)
    assert found.bundle is None
    assert "does not make it smaller" in found.words
    smaller.run(numbered[0], manager)
    assert EdgeBundle.objects.filter(variant="smaller").count() == 1


def test_a_model_of_matrix_products_gets_smaller(model: MLModel, manager: User, settings: Any, tmp_path: Path) -> None:
    made = smaller.run(product(model, settings, tmp_path), manager)
    full = EdgeBundle.objects.get(variant="full")
    assert made.bundle, made.words
    assert made.size < 0.5 * full.size
    assert 0 < made.apart <= made.tolerance


def test_one_that_would_answer_otherwise_is_not_offered(
    model: MLModel, manager: User, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smaller, "TOLERANCE", 1e-9)
    made = smaller.run(product(model, settings, tmp_path), manager)
    assert (made.bundle, "away from the full model's" in made.words) == (None, True)


def test_a_quantisation_that_never_ends_is_given_up(
    numbered: list[Package], manager: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hangs(*_: Any, **__: Any) -> None:
        raise subprocess.TimeoutExpired("x", 1)

    monkeypatch.setattr(subprocess, "run", hangs)
    assert "did not end" in smaller.run(numbered[0], manager).words


def product(model: MLModel, settings: Any, tmp_path: Path) -> Package:
    """A package whose model is two matrix products with a thousand weights and more."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    from releases.tests.conftest import make_package
    from serving.artefacts import write_serving_form
    from serving.tests.builders import digest

    settings.ARTEFACTS, settings.VAR = tmp_path / "artefacts", tmp_path
    rng = np.random.default_rng(1)
    weights = [rng.uniform(size=shape).astype(np.float32) for shape in ((16, 256), (256, 1))]
    held = [numpy_helper.from_array(each, name) for each, name in zip(weights, "ab", strict=True)]
    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("MatMul", ["r", "b"], ["y"]),
    ]
    shape = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 16])]
    out = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])]
    graph = helper.make_graph(nodes, "product", shape, out, held)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), tmp_path / "p.onnx")
    columns = [{"name": f"c{at}", "type": "float", "required": True} for at in range(16)]
    signature = {
        "inputs": columns,
        "outputs": [{"name": "y", "type": "double"}],
        "params": None,
        "metadata": {"constraints": {each["name"]: {"ge": -1, "le": 1} for each in columns}},
    }
    form = write_serving_form(
        settings.ARTEFACTS,
        package=digest("product"),
        runtime="onnx",
        kind="regressor",
        model=tmp_path / "p.onnx",
        signature=signature,
    )
    more = {"digest": digest("product"), "artefact": form, "signature": signature, "example": []}
    return make_package(model, 1, **more)


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


# --- steps ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def moving(stable: EdgeChannel, numbered: list[Package], production: Environment, gateway: FakeGateway) -> Release:
    """Package 2 on its way to forty devices that run package 1, half of which are in the first share."""
    follow_offer(stable)
    put_live(numbered[1], production)
    routes.publish(production, "a test")
    release = releasing.start(actor=None, channel=stable, steps=[(50.0, 60.0), (90.0, 60.0)])
    return to_the_end(release)


def finish(release: Release, channel: EdgeChannel) -> Release:
    for _ in range(len(release.plan["steps"]) + 1):
        follow_offer(channel)
        later(release, 100_000)
        to_the_end(release)
    assert release.state == "live", release.note
    return release


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
    assert off.package in (None, moving.package)


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
