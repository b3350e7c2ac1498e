"""What does not grow with the data: the queries of every list. What does not break: every call without Redis."""

from __future__ import annotations

import pytest
from celery import Celery
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from redis.connection import UnixDomainSocketConnection

from releases import wake
from releases.models import Intake, MLModel
from releases.tests.api.test_roles import CALLS, READS, ids, send, undone  # noqa: F401 - `ids` is a fixture
from releases.tests.conftest import make_package

LISTS = ["models/", "packages/", "intakes/", "releases/", "routes/", "environments/", "keys/", "tokens/", "audit/"]
MOST = 8


def queries(client, address: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(f"/api/{address}").status_code == 200
    return len(captured)


def grow(admin_calls, make_live) -> None:
    for letter in "abcdef":
        model = MLModel.objects.create(name=letter)
        package = make_package(model, 1)
        for place in ("dev", "test", "production"):
            make_live(package, place)
        Intake.objects.create(model=model, filename="a.zip", package=package, created_at=timezone.now())
        admin_calls.post("/api/keys/", {"environment": "dev", "name": letter})


def test_a_list_asks_the_database_as_often_for_many_rows_as_for_one(admin_calls, packages, make_live):
    make_live(packages[0])
    Intake.objects.create(model=packages[0].model, filename="a.zip")
    admin_calls.post("/api/keys/", {"environment": "dev", "name": "first"})
    queries(admin_calls, "me/")
    before = {address: queries(admin_calls, address) for address in LISTS}
    grow(admin_calls, make_live)
    after = {address: queries(admin_calls, address) for address in LISTS}
    assert after == before
    assert max(after.values()) <= MOST


def test_one_release_with_many_events_costs_as_much_as_one_with_few(admin_calls, packages):
    body = {"model": "flight-eta", "package": 1, "environment": "dev"}
    made = admin_calls.post("/api/releases/", body).json()
    address = f"releases/{made['id']}/"
    few = queries(admin_calls, address)
    admin_calls.post(made["actions"]["abort"], {"reason": "because"})
    assert queries(admin_calls, address) == few


@pytest.fixture
def no_redis(settings, tmp_path, monkeypatch) -> None:
    """Addresses at which nobody listens, whatever else runs beside this test."""
    settings.REDIS_URL = f"unix://{tmp_path}/nobody.sock"
    away = Celery(broker=f"redis+socket://{tmp_path}/nobody.sock", set_as_current=False)
    away.conf.broker_transport_options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    monkeypatch.setattr(wake, "current_app", away)


def test_every_call_answers_while_redis_is_away(no_redis, ids, caller, django_capture_on_commit_callbacks):  # noqa: F811
    client = caller("admin")
    for allowed, method, address, body, status in CALLS:
        if "admin" in allowed:
            with django_capture_on_commit_callbacks(execute=True):
                answer = undone(client, method, address.format(**ids), body)
            assert answer.status_code == status, address
    assert client.get(f"/api/{READS[-1]}").json()["known"] is False


def test_a_change_is_kept_while_redis_is_away(no_redis, packages, caller, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True) as told:
        made = send(caller("admin"), "post", "releases/", {"model": "flight-eta", "package": 1, "environment": "dev"})
    assert told
    assert made.status_code == 201


def test_a_lost_broker_is_told_after_two_attempts(no_redis, monkeypatch):
    attempts, connect = [], UnixDomainSocketConnection._connect
    monkeypatch.setattr(UnixDomainSocketConnection, "_connect", lambda self: (attempts.append(1), connect(self))[1])
    assert wake.enqueue("releases.tasks.run_intake", 1, queue="long") is False
    assert 1 <= len(attempts) <= 2
