"""What Slipway takes back by itself: told once, after the commit, and on every page for an hour."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from releases import lifecycle, notices
from releases.actions import rollbacks
from releases.models import Event
from releases.tests.scenes import put_live, put_moving


@pytest.fixture
def told():
    found = []

    def listen(release, reason, **more) -> None:
        found.append((release.pk, reason))

    notices.taken_back.connect(listen)
    yield found
    notices.taken_back.disconnect(listen)


@pytest.fixture
def moving(environments, packages):
    put_live(packages[0], environments["dev"])
    return put_moving(packages[1], environments["dev"], state="shifting")


def test_what_fails_by_itself_is_told_after_the_commit(moving, told, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        lifecycle.move(moving, "fail", at=timezone.now(), reason="errors: proven")
        assert told == []
    assert told == [(moving.pk, "errors: proven")]


def test_what_a_person_does_is_not_told(moving, manager, told, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        rollbacks.take_back(actor=manager, release=moving, reason="I saw it")
    assert told == []


def test_a_listener_that_raises_stops_nobody(moving, told, django_capture_on_commit_callbacks, caplog):
    def broken(**more) -> None:
        raise OSError("the mail server is away")

    notices.taken_back.connect(broken)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            lifecycle.move(moving, "fail", at=timezone.now(), reason="errors")
    finally:
        notices.taken_back.disconnect(broken)
    assert moving.state == "failed"
    assert len(told) == 1
    assert "was not told" in caplog.text


def test_every_page_tells_it_for_an_hour(moving, client, manager):
    client.force_login(manager)
    assert "taken back by itself" not in client.get("/").content.decode()
    lifecycle.move(moving, "fail", at=timezone.now(), reason="errors: 1 in 20 against none")
    for address in ("/", "/models/", "/health/troubles/"):
        page = client.get(address).content.decode()
        assert "flight-eta in dev was taken back by itself" in page
        assert "errors: 1 in 20 against none" in page
    Event.objects.filter(action="fail").update(at=timezone.now() - timedelta(hours=2))
    assert "taken back by itself" not in client.get("/").content.decode()


def test_a_rollback_that_slipway_made_is_told_with_its_reason(environments, packages, client, manager, told):
    put_live(packages[0], environments["dev"])
    live = put_live(packages[1], environments["dev"])
    rollbacks.take_back(actor=None, release=live, reason="Smoke failed.")
    client.force_login(manager)
    assert "Smoke failed." in client.get("/health/troubles/").content.decode()
