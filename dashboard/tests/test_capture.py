"""Captured requests on the model's page: who sees what, switching on and off, what is said of sensitive fields."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.test import Client

from releases.models import CaptureFile, CaptureSetting, Environment, Package
from releases.tests.scenes import put_live

SignedIn = Callable[[str], Client]
PAGE, FORM = "/models/flight-eta/", "/models/flight-eta/dev/capture/"
GIVEN = {"on": "on", "share": "12.5", "per_hour": "500", "keep_days": "7"}


@pytest.fixture
def stored(packages: list[Package]) -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    CaptureFile.objects.create(environment="dev", model="flight-eta", hour=hour, path="x", records=1234, size=5_000_000)


def text(client: Client, path: str = PAGE) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def test_it_is_switched_on_and_off_without_javascript(signed_in: SignedIn, packages: list[Package]) -> None:
    client = signed_in("release manager")
    assert "Switch on" in text(client)
    answer = client.post(FORM, GIVEN, follow=True)
    assert "are kept from now on" in answer.content.decode()
    assert "12.5 %, at most 500 an hour, for 7 days" in text(client)
    assert 'value="12.5"' in text(client, FORM)
    client.post(FORM, {name: value for name, value in GIVEN.items() if name != "on"})
    assert not CaptureSetting.objects.get().on
    assert "12.5 %" not in text(client)


@pytest.mark.parametrize("role", ["viewer", "developer", "QA"])
def test_others_see_how_much_and_neither_change_nor_download(signed_in: SignedIn, stored: None, role: str) -> None:
    client = signed_in(role)
    shown = text(client)
    assert "1,234 requests" in shown
    assert "Switch on" not in shown
    assert "/capture/" not in shown
    for answer in (client.get(FORM), client.post(FORM, GIVEN)):
        assert (answer.status_code, "release manager, admin" in answer.content.decode()) == (403, True)
    assert not CaptureSetting.objects.exists()


def test_who_may_finds_the_download(signed_in: SignedIn, stored: None) -> None:
    client = signed_in("release manager")
    address = "/api/models/flight-eta/capture/records/?environment=dev&amp;limit=10000"
    assert address in text(client)
    assert client.get(address.replace("&amp;", "&")).status_code == 200


@pytest.mark.parametrize(("field", "value"), [("share", "0"), ("share", "101"), ("share", "nan"), ("per_hour", "0")])
def test_a_wrong_value_is_told_at_its_field(
    signed_in: SignedIn, packages: list[Package], field: str, value: str
) -> None:
    answer = signed_in("admin").post(FORM, {**GIVEN, field: value})
    assert answer.status_code == 400
    assert f"id_{field}" in answer.content.decode()
    assert not CaptureSetting.objects.exists()


def test_the_form_names_what_is_left_out(
    signed_in: SignedIn, packages: list[Package], environments: dict[str, Environment]
) -> None:
    client = signed_in("admin")
    assert "nothing is live here yet" in text(client, FORM)
    put_live(packages[0], environments["dev"])
    assert "no input of the live package is marked" in text(client, FORM)
    signature = {**packages[0].signature, "metadata": {"constraints": {"distance": {"sensitive": True}}}}
    Package.objects.filter(pk=packages[0].pk).update(signature=signature)
    assert '<dt>Left out</dt><dd><code class="small">distance</code>' in text(client, FORM)


def test_a_place_that_does_not_exist_is_not_found(signed_in: SignedIn, packages: list[Package]) -> None:
    client = signed_in("admin")
    assert client.get("/models/flight-eta/moon/capture/").status_code == 404
    assert client.get("/models/nonesuch/dev/capture/").status_code == 404
