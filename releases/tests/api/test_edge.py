"""Edge by REST: people open channels and withdraw; devices ask with a key, fetch, and check in."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from releases.actions import keys
from releases.models import ApiKey, EdgeChannel, EdgeDevice, Environment, MLModel, Package, Release
from releases.modes.edge import bundles, signing
from releases.tests.api.conftest import *  # noqa: F403 - the callers
from releases.tests.modes.edges import to_the_end
from releases.tests.scenes import real_package
from serving.edge.copies import Copies, check
from serving.edge.device import PASSED, Device
from serving.edge.documents import CHANNEL, Offer, verify
from serving.edge.server import Server
from serving.edge.trying import test_here

pytestmark = pytest.mark.django_db
test_here.__test__ = False  # type: ignore[attr-defined]
AT = "/api/edge/flight-eta/stable"
TOLD = {"device": "till-1", "bundle": "", "state": "off"}


@pytest.fixture
def package(
    model: Any, environments: dict[str, Environment], settings: Any, tmp_path: Path, monkeypatch: Any
) -> Package:
    """A real package, live in production."""
    settings.ARTEFACTS, settings.VAR, settings.EDGE = tmp_path / "artefacts", tmp_path, tmp_path / "edge"
    monkeypatch.setattr(bundles, "test_apart", test_here)
    return real_package(model, environments["production"], settings.ARTEFACTS)


@pytest.fixture
def channel(package: Package, manager_calls: APIClient) -> EdgeChannel:
    """An open channel that offers the package."""
    assert manager_calls.post("/api/models/flight-eta/edge/stable/", {"on": True}).status_code == 200
    answer = manager_calls.post("/api/models/flight-eta/edge/stable/release/", {})
    assert answer.status_code == 201, answer.json()
    to_the_end(Release.objects.get(pk=answer.json()["id"]))
    return EdgeChannel.objects.get()


@pytest.fixture
def secret(environments: dict[str, Environment]) -> str:
    return keys.issue(actor=None, environment=environments["production"], name="tills", models=["flight-eta"])[1]


def asking(secret: str) -> APIClient:
    return APIClient(headers={"Authorization": f"Bearer {secret}"})


def test_a_device_asks_fetches_and_checks_in(channel: EdgeChannel, secret: str, manager_calls: APIClient) -> None:
    device = asking(secret)
    answer = device.get(f"{AT}/manifest/")
    found = answer.json()
    verify(CHANNEL, found["offer"].encode(), found["signature"], signing.private_key().public_key())
    offer = Offer.from_bytes(found["offer"].encode())
    assert offer.bundle
    assert offer.bundle.package == 1
    file = device.get(f"{AT}/bundles/{offer.bundle.id}/manifest.json")
    assert json.loads(b"".join(file.streaming_content))["package"] == 1
    assert "immutable" in file["Cache-Control"]
    told = {**TOLD, "bundle": offer.bundle.id, "state": "passed", "seconds": 0.002, "memory": 40_000_000}
    assert device.post(f"{AT}/check-in/", told).json()["package"] == 1
    seen = manager_calls.get("/api/models/flight-eta/edge/").json()
    assert seen["key"] == signing.public_text()
    (shown,) = seen["channels"]
    assert (shown["package"], shown["versions"][0]["devices"], shown["versions"][0]["seconds"]) == (1, 1, 0.002)
    rows = manager_calls.get("/api/models/flight-eta/edge/stable/devices/?state=passed").json()["results"]
    assert [row["name"] for row in rows] == ["till-1"]
    assert ApiKey.objects.get(name="tills").last_used_at


def test_what_has_not_changed_is_answered_with_304(channel: EdgeChannel, secret: str) -> None:
    tag = asking(secret).get(f"{AT}/manifest/")["ETag"]
    for given in (tag, f"W/{tag}", f'"x", {tag}'):
        answer = asking(secret).get(f"{AT}/manifest/", headers={"If-None-Match": given})
        assert (answer.status_code, answer.content) == (304, b"")
    assert asking(secret).get(f"{AT}/manifest/", headers={"If-None-Match": '"x"'}).status_code == 200


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer nothing", "Token x", "Basic eDp5"])
def test_without_a_key_nobody_learns_which_channels_there_are(channel: EdgeChannel, header: str) -> None:
    for address in (AT, "/api/edge/flight-eta/beta", "/api/edge/nothing/stable"):
        client = APIClient(headers={"Authorization": header} if header else {})
        for answer in (client.get(f"{address}/manifest/"), client.post(f"{address}/check-in/", TOLD)):
            assert answer.status_code == 401
            assert answer["WWW-Authenticate"] == 'Bearer realm="slipway"'
            assert "API key" in answer.json()["detail"]


def test_a_key_for_another_place_or_model_is_told_so(channel: EdgeChannel, environments: Any, secret: str) -> None:
    MLModel.objects.create(name="other")
    dev = keys.issue(actor=None, environment=environments["dev"], name="dev")[1]
    other = keys.issue(actor=None, environment=environments["production"], name="other", models=["other"])[1]
    for wrong in (dev, other):
        assert asking(wrong).get(f"{AT}/manifest/").status_code == 403
    assert asking(secret).get("/api/edge/flight-eta/beta/manifest/").status_code == 404


def test_a_revoked_key_ends_and_a_rotated_one_overlaps(channel: EdgeChannel, secret: str) -> None:
    key = ApiKey.objects.get(name="tills")
    _, new = keys.rotate(actor=None, key=key)
    assert {asking(each).get(f"{AT}/manifest/").status_code for each in (secret, new)} == {200}
    keys.revoke(actor=None, key=ApiKey.objects.get(name="tills"), reason="lost")
    assert {asking(each).get(f"{AT}/manifest/").status_code for each in (secret, new)} == {401}


def test_an_environment_without_keys_asks_for_none(channel: EdgeChannel) -> None:
    Environment.objects.filter(name="production").update(keyless=True)
    assert APIClient().get(f"{AT}/manifest/").status_code == 200


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"device": ""}, "device"),
        ({"device": "x" * 101}, "device"),
        ({"device": 7}, "device"),
        ({"bundle": "0" * 64}, "bundle"),
        ({"bundle": None}, "bundle"),
        ({"state": "fine"}, "state"),
        ({"seconds": -1}, "seconds"),
        ({"seconds": "1"}, "seconds"),
        ({"memory": -1}, "memory"),
        ({"words": "x" * 2001}, "words"),
        ({"more": 1}, "more"),
    ],
)
def test_a_check_in_that_makes_no_sense_names_its_field(
    channel: EdgeChannel, secret: str, change: dict[str, Any], field: str
) -> None:
    answer = asking(secret).post(f"{AT}/check-in/", TOLD | change)
    assert (answer.status_code, list(answer.json())) == (400, [field])
    assert not EdgeDevice.objects.exists()


@pytest.mark.parametrize("file", ["nothing", "..", "%2e%2e", "manifest.json%00", ".hidden", "a/b"])
def test_nothing_but_files_of_bundles_is_sent(channel: EdgeChannel, secret: str, file: str) -> None:
    bundle = channel.bundle and channel.bundle.bundle
    assert asking(secret).get(f"{AT}/bundles/{bundle}/{file}").status_code == 404
    assert asking(secret).get(f"{AT}/bundles/{'0' * 64}/manifest.json").status_code == 404


def test_a_bundle_of_another_model_is_not_sent(channel: EdgeChannel, secret: str) -> None:
    other = MLModel.objects.create(name="other")
    Package.objects.update(model=other)
    bundle = channel.bundle and channel.bundle.bundle
    assert asking(secret).get(f"{AT}/bundles/{bundle}/manifest.json").status_code == 404


def test_a_bundle_is_exported_and_fetched_as_a_zip(package: Package, manager_calls: APIClient, tmp_path: Path) -> None:
    at = "/api/models/flight-eta/packages/1/edge/"
    assert manager_calls.get(at).json() == {"why_not": "", "bundles": []}
    assert manager_calls.get(f"{at}zip/").status_code == 404
    made = manager_calls.post(at, {})
    assert made.status_code == 201
    assert manager_calls.get(at).json()["bundles"] == [made.json()]
    answer = manager_calls.get(f"{at}zip/")
    assert answer["Content-Disposition"] == 'attachment; filename="flight-eta-1-full.zip"'
    zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))).extractall(tmp_path / "out")
    assert check(tmp_path / "out", signing.private_key().public_key()).package == 1


def test_a_withdrawal_needs_its_reason(channel: EdgeChannel, manager_calls: APIClient) -> None:
    at = "/api/models/flight-eta/edge/stable/withdraw/"
    assert list(manager_calls.post(at, {}).json()) == ["reason"]
    answer = manager_calls.post(at, {"reason": "too hot"})
    assert (answer.status_code, answer.json()["strategy"]) == (201, "edge")
    assert Offer.from_bytes(EdgeChannel.objects.get().offer.encode()).bundle is None


def test_steps_that_make_no_sense_name_their_field(channel: EdgeChannel, manager_calls: APIClient) -> None:
    at = "/api/models/flight-eta/edge/stable/release/"
    answer = manager_calls.post(at, {"steps": [{"weight": 50, "seconds": 1}, {"weight": 10, "seconds": 1}]})
    assert (answer.status_code, list(answer.json())) == (400, ["steps"])


@pytest.mark.django_db(transaction=True)
def test_the_devices_own_code_follows_the_channel_over_http(
    channel: EdgeChannel, secret: str, live_server: Any, tmp_path: Path
) -> None:
    copies = Copies(tmp_path / "device", signing.private_key().public_key())
    server = Server(live_server.url, "flight-eta", "stable", secret)
    device = Device(copies, server, "till-1", test=test_here)
    assert device.update().state == PASSED
    assert device.update().state == PASSED
    assert EdgeDevice.objects.get().package == 1


def test_devices_need_no_slash_at_the_end(channel: EdgeChannel, secret: str) -> None:
    assert asking(secret).get(f"{AT}/manifest").json() == asking(secret).get(f"{AT}/manifest/").json()
    assert asking(secret).post(f"{AT}/check-in", TOLD).status_code == 200
