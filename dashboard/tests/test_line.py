"""The line in the browser: a banner on every page, a question before it, a hotfix all the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from releases.actions import line
from releases.models import LineStop, Package, Release

SignedIn = Callable[[str], Client]


def test_it_is_stopped_and_goes_on_and_every_page_says_so(signed_in: SignedIn, packages: list[Package]) -> None:
    client = signed_in("release manager")
    assert "Stop the line" in client.get("/").content.decode()
    assert "Stop the line?" in client.get("/line/").content.decode()
    client.post("/line/", {"verb": "stop", "reason": "odd <b>things</b>"})
    for path in ("/", "/models/", "/health/troubles/"):
        shown = client.get(path).content.decode()
        assert "The line is stopped since" in shown
        assert "odd &lt;b&gt;things" in shown
    assert "Let the line go on?" in client.get("/line/").content.decode()
    client.post("/line/", {"verb": "go-on", "reason": "fine"})
    assert "The line is stopped" not in client.get("/models/").content.decode()


@pytest.mark.parametrize(("verb", "status"), [("stop", 409), ("go-on", 302)])
def test_a_stale_page_does_not_do_the_opposite(
    signed_in: SignedIn, packages: list[Package], verb: str, status: int
) -> None:
    line.stop(actor=None, reason="odd")
    assert signed_in("admin").post("/line/", {"verb": verb, "reason": "x"}).status_code == status
    assert LineStop.objects.count() == 1


def test_it_asks_why(signed_in: SignedIn, packages: list[Package]) -> None:
    assert signed_in("admin").post("/line/", {"verb": "stop", "reason": ""}).status_code == 400
    assert line.stopped() is None


def test_others_see_no_button_and_are_refused(signed_in: SignedIn, packages: list[Package]) -> None:
    client = signed_in("developer")
    assert "Stop the line" not in client.get("/").content.decode()
    assert client.get("/line/").status_code == 403
    assert client.post("/line/", {"verb": "stop", "reason": "odd"}).status_code == 403


def test_who_may_not_let_it_go_on_sees_why_and_no_link(signed_in: SignedIn, packages: list[Package]) -> None:
    line.stop(actor=None, reason="odd")
    for path in ("/", "/health/troubles/"):
        shown = signed_in("viewer").get(path).content.decode()
        assert "The line is stopped since" in shown
        assert "Let it go on" not in shown
        assert "Let it go on" in signed_in("admin").get(path).content.decode()


def test_a_hotfix_says_why_and_begins(signed_in: SignedIn, packages: list[Package]) -> None:
    client, fields = signed_in("release manager"), {"package": 1, "environment": "dev", "strategy": "blue_green"}
    assert "Hotfix, because" not in client.get("/models/flight-eta/promote/", fields).content.decode()
    line.stop(actor=None, reason="odd")
    assert "Hotfix, because" in client.get("/models/flight-eta/promote/", fields).content.decode()
    refused = client.post("/models/flight-eta/promote/", fields)
    assert refused.status_code == 409
    assert "unless it is a hotfix" in refused.content.decode()
    assert client.post("/models/flight-eta/promote/", fields | {"hotfix": "It mends it."}).status_code == 302
    assert Release.objects.get().hotfix == "It mends it."
