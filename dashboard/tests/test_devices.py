"""The pages of devices and bundles: what they show, who may do what, stale forms, and the policy of the one page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from dashboard.tests.conftest import *  # noqa: F403 - those who are signed in
from releases.models import EdgeBundle, EdgeChannel, EdgeDevice, Environment, MLModel, Package, Release
from releases.modes.edge import bundles, smaller
from releases.tests.conftest import make_package
from releases.tests.modes.edges import to_the_end
from releases.tests.scenes import put_live, real_package
from serving.edge.trying import test_here
from serving.tests import forms
from serving.tests.builders import flight

pytestmark = pytest.mark.django_db
test_here.__test__ = False  # type: ignore[attr-defined]
DEVICES, BUNDLE = "/models/flight-eta/edge/", "/models/flight-eta/packages/1/edge/"


@pytest.fixture
def package(model: MLModel, environments: Any, settings: Any, tmp_path: Path, monkeypatch: Any) -> Package:
    """A real package, live in production."""
    settings.ARTEFACTS, settings.VAR, settings.EDGE = tmp_path / "artefacts", tmp_path, tmp_path / "edge"
    monkeypatch.setattr(bundles, "test_apart", test_here)
    return real_package(model, environments["production"], settings.ARTEFACTS)


@pytest.fixture
def marta(signed_in: Callable[[str], Client]) -> Client:
    return signed_in("release manager")


@pytest.fixture
def opened(package: Package, marta: Client) -> EdgeChannel:
    """A channel that was opened and filled by its page."""
    assert marta.post(f"{DEVICES}stable/switch/", {"on": "1"}).status_code == 302
    answer = marta.post(f"{DEVICES}stable/send/")
    to_the_end(Release.objects.get(pk=answer["Location"].split("/")[-2]))
    return EdgeChannel.objects.get()


def text(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, answer.content[:500]
    return answer.content.decode()


def test_a_channel_is_opened_filled_and_closed_on_its_page(package: Package, marta: Client) -> None:
    page = text(marta, DEVICES)
    assert "Not opened yet" in page
    marta.post(f"{DEVICES}stable/switch/", {"on": "1"})
    assert "Send package 1 to devices" in text(marta, DEVICES)
    answer = marta.post(f"{DEVICES}stable/send/")
    assert "on devices" in text(marta, answer["Location"])
    to_the_end(Release.objects.get(strategy="edge"))
    page = text(marta, DEVICES)
    assert "offers" in page
    assert "No device has checked in yet." in page
    marta.post(f"{DEVICES}stable/switch/", {"on": "0"})
    assert "Closed" in text(marta, DEVICES)


def test_the_fleet_stands_on_the_pages_of_model_and_package(opened: EdgeChannel, marta: Client) -> None:
    at = opened.changed_at
    bundle = opened.bundle and opened.bundle.bundle
    common = {"channel": opened, "first_at": at, "seen_at": at}
    for number in range(3):
        EdgeDevice.objects.create(name=f"till-{number}", bundle=bundle or "", package=1, state="passed", **common)
    EdgeDevice.objects.create(name="till-9", state="refused", words="<b>no</b>", **common)
    page = text(marta, f"{DEVICES}?part=now")
    assert "75" in page
    assert "&lt;b&gt;no&lt;/b&gt;" in page
    page = text(marta, "/models/flight-eta/packages/1/")
    assert "3 of 4 devices</a> of stable run it" in page
    assert "Nothing <b>25" in page


def test_a_withdrawal_asks_for_a_reason_and_redraws_a_stale_form(opened: EdgeChannel, marta: Client) -> None:
    at = f"{DEVICES}stable/withdraw/"
    assert "Withdraw package 1 from stable?" in text(marta, at)
    assert marta.post(at, {"seen": opened.serial, "reason": " "}).status_code == 400
    stale = marta.post(at, {"seen": opened.serial - 1, "reason": "hot"})
    assert (stale.status_code, "Something has changed" in stale.content.decode()) == (409, True)
    assert Release.objects.filter(strategy="edge").count() == 1
    assert marta.post(at, {"seen": opened.serial, "reason": "hot"}).status_code == 302
    assert Release.objects.filter(strategy="edge", is_rollback=True, reason="hot").exists()


def test_who_may_not_deploy_sees_no_buttons_and_is_refused(
    opened: EdgeChannel, signed_in: Callable[[str], Client]
) -> None:
    viewer = signed_in("viewer")
    page = text(viewer, DEVICES)
    assert "/withdraw/" not in page
    for path in ("stable/switch/", "stable/send/", "stable/withdraw/"):
        assert viewer.post(f"{DEVICES}{path}", {"seen": 1, "reason": "x"}).status_code == 403
    assert viewer.post(BUNDLE).status_code == 403
    assert viewer.get(f"{BUNDLE}full.zip").status_code == 403
    assert viewer.get(f"{BUNDLE}browser/").status_code == 403


def test_a_bundle_is_exported_downloaded_and_run_here(package: Package, marta: Client) -> None:
    assert "Not exported yet" in text(marta, BUNDLE)
    assert marta.get(f"{BUNDLE}full.zip").status_code == 404
    assert marta.get(f"{BUNDLE}browser/").status_code == 302
    assert marta.post(BUNDLE).status_code == 302
    assert "golden.json" in text(marta, BUNDLE)
    archive = marta.get(f"{BUNDLE}full.zip")
    assert b"".join(archive.streaming_content).startswith(b"PK")
    assert archive["Content-Disposition"] == 'attachment; filename="flight-eta-1-full.zip"'
    bundle = EdgeBundle.objects.get().bundle
    assert b"".join(marta.get(f"{BUNDLE}files/{bundle}/model.onnx").streaming_content)
    assert marta.get(f"{BUNDLE}files/{bundle}/nothing").status_code == 404
    assert marta.get(f"{BUNDLE}nothing.zip").status_code == 404


def test_only_the_page_that_runs_a_bundle_may_compile_webassembly(package: Package, marta: Client) -> None:
    marta.post(BUNDLE)
    policy = marta.get(f"{BUNDLE}browser/")["Content-Security-Policy"]
    assert "script-src 'self' 'wasm-unsafe-eval'" in policy
    assert "unsafe-inline" not in policy
    assert "default-src 'self'" in policy
    assert "wasm" not in marta.get(BUNDLE)["Content-Security-Policy"]


def test_why_there_is_no_bundle_and_no_smaller_one(
    package: Package, marta: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(smaller, "enqueue", lambda *words, **_: asked.append(words) or True)
    marta.post(BUNDLE)
    assert "Make it smaller" in text(marta, BUNDLE)
    marta.post(BUNDLE, {"variant": "smaller"})
    assert len(asked) == 1
    smaller.run(package, None)
    assert "does not make it smaller" in text(marta, BUNDLE)
    Package.objects.update(runtime="sklearn", runtime_reason="Its answers would differ.")
    page = text(marta, BUNDLE)
    assert "No bundle can be made of this package." in page
    assert "Its answers would differ." in page
    assert "It cannot be exported" in text(marta, "/models/flight-eta/packages/1/")


def test_a_channel_whose_environment_is_gone_says_so(package: Package, marta: Client) -> None:
    Environment.objects.filter(name="staging").update(name="acceptance")
    assert "There is no environment called staging" in text(marta, DEVICES)
    assert marta.post(f"{DEVICES}beta/switch/", {"on": "1"}).status_code == 409


def test_a_release_to_devices_is_steered_in_words_of_its_own(opened: EdgeChannel, marta: Client) -> None:
    EdgeDevice.objects.create(
        channel=opened, name="till", state="passed", first_at=opened.changed_at, seen_at=opened.changed_at
    )
    other = make_package(opened.model, 2, artefact=opened.bundle.package.artefact)  # type: ignore[union-attr]
    Package.objects.filter(pk=other.pk).update(signature=flight().to_json(), example=[forms.ROW])
    put_live(Package.objects.get(pk=other.pk), opened.environment)
    answer = marta.post(f"{DEVICES}stable/send/")
    release = to_the_end(Release.objects.get(pk=answer["Location"].split("/")[-2]))
    page = text(marta, release.get_absolute_url())
    for words in (
        "Package 1 → 2 on devices",
        "Reaching devices",
        "Devices now",
        "1 % of the devices are offered package 2",
    ):
        assert words in page
    assert "Requests by package" not in page
    assert "Send it to all devices now?" in text(marta, f"{release.get_absolute_url()}promote/")
    assert "devices that have it go back" in text(marta, f"{release.get_absolute_url()}abort/").lower()
    assert marta.post(f"{release.get_absolute_url()}promote/", {"reason": "the shops open"}).status_code == 302
    assert to_the_end(release).state == "live"
    assert "All devices are offered package 2" in text(marta, release.get_absolute_url())


def test_what_devices_cannot_run_is_said_where_the_channel_is(opened: EdgeChannel, marta: Client) -> None:
    other = make_package(opened.model, 2, runtime="sklearn")
    put_live(other, opened.environment)
    page = text(marta, DEVICES)
    assert "Package 2 cannot go to devices; they keep what they have." in page
    assert marta.post(f"{DEVICES}stable/send/").status_code == 409
