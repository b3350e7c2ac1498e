"""Each call by each role: who may, and who is told that they may not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from rest_framework.test import APIClient

from releases.models import ApiKey, BatchJob, BatchSchedule, EdgeChannel, Environment, Intake, Release
from releases.rights import ADMIN, DEVELOPER, MANAGER, QA, ROLES, VIEWER

REGISTER, DEPLOY = {DEVELOPER, MANAGER, ADMIN}, {DEVELOPER, MANAGER, ADMIN}
HIGH, ADMINS, ALL = {MANAGER, ADMIN}, {ADMIN}, set(ROLES)
WHY = {"reason": "because"}
MONTHLY = {"name": "Sales", "model": "flight-eta", "environment": "dev", "cron": "0 6 1 * *", "pattern": "{mm}.csv"}

READS = [
    "me/",
    "tokens/",
    "models/",
    "models/flight-eta/",
    "models/flight-eta/packages/",
    "models/flight-eta/packages/1/",
    "models/flight-eta/diff/?from=1&to=2",
    "models/flight-eta/serving-mode/?acceptable_latency=minute",
    "models/flight-eta/edge/",
    "models/flight-eta/edge/stable/devices/",
    "models/flight-eta/packages/1/edge/",
    "models/flight-eta/capture/",
    "models/flight-eta/capture/files/",
    "packages/",
    "intakes/",
    "intakes/{intake}/",
    "releases/",
    "releases/{live}/",
    "gates/?model=flight-eta&package=1&environment=dev",
    "releases/{live}/verdicts/",
    "plan/?model=flight-eta&environment=dev",
    "quiet/?model=flight-eta&environment=dev",
    "routes/",
    "environments/",
    "environments/dev/",
    "environments/dev/table/",
    "environments/dev/tables/",
    "environments/dev/adoption/",
    "environments/dev/freezes/",
    "batches/",
    "batches/{batch}/",
    "batches/schedules/",
    "batches/schedules/{schedule}/",
    "streams/",
    "streams/hooks/",
    "streams/letters/?model=flight-eta&environment=dev",
    "audit/",
    "audit/check/",
    "traffic/?model=flight-eta&environment=dev",
]
# (who may, method, address, body, the status when they may)
CALLS = [
    (REGISTER, "post", "models/", {"name": "new"}, 201),
    (REGISTER, "post", "models/flight-eta/packages/", "file", 202),
    (HIGH, "delete", "models/flight-eta/packages/3/", None, 204),
    (DEPLOY, "post", "releases/", {"model": "flight-eta", "package": 2, "environment": "dev"}, 201),
    (HIGH, "post", "releases/", {"model": "flight-eta", "package": 1, "environment": "staging"}, 201),
    (DEPLOY, "post", "releases/{running}/abort/", WHY, 200),
    (DEPLOY, "post", "releases/{running}/rollback/", WHY, 200),
    (DEPLOY, "post", "releases/{running}/pause/", {}, 200),
    (DEPLOY, "post", "releases/{running}/resume/", {}, 409),
    (DEPLOY, "post", "releases/{running}/weight/", {"weight": 5}, 409),
    (DEPLOY, "post", "releases/{running}/promote/", WHY, 409),
    (DEPLOY, "post", "releases/{running}/steps/", {"steps": [{"weight": 5, "seconds": 60}]}, 409),
    (HIGH, "post", "environments/dev/freezes/", {"name": "Payday", "cron": "0 18 * * 5", "minutes": 60}, 201),
    (ALL, "post", "releases/{running}/what-if/", {"alpha": 0.01}, 404),
    (ALL, "get", "releases/{running}/comparison/", None, 404),
    (DEPLOY, "post", "releases/{running}/end/", {}, 409),
    (DEPLOY, "post", "models/flight-eta/rollback/", {"environment": "dev", "off": True, **WHY}, 200),
    (HIGH, "post", "releases/{production}/rollback/", {"off": True, **WHY}, 200),
    (HIGH, "post", "models/flight-eta/rollback/", {"environment": "production", "off": True, **WHY}, 200),
    (ADMINS, "post", "environments/", {"name": "new", "copy_of": "staging", "before": "production"}, 201),
    (ADMINS, "patch", "environments/dev/", {"keyless": False}, 200),
    (ADMINS, "post", "environments/order/", {"names": ["test", "dev", "staging", "production"]}, 200),
    (ADMINS, "delete", "environments/staging/", None, 204),
    (HIGH, "patch", "models/flight-eta/capture/", {"environment": "dev", "on": True}, 200),
    (HIGH, "get", "models/flight-eta/capture/records/?environment=dev", None, 200),
    (HIGH, "get", "keys/", None, 200),
    (HIGH, "post", "keys/", {"environment": "dev", "name": "client"}, 201),
    (HIGH, "get", "keys/{key}/", None, 200),
    (HIGH, "patch", "keys/{key}/", {"requests_per_second": 9}, 200),
    (HIGH, "post", "keys/{key}/rotate/", {}, 200),
    (HIGH, "post", "keys/{key}/end-old/", {}, 409),
    (HIGH, "post", "keys/{key}/revoke/", WHY, 200),
    (DEPLOY, "post", "batches/", {"model": "flight-eta", "environment": "dev", "stored": "missing.csv"}, 400),
    (DEPLOY, "post", "batches/{batch}/cancel/", None, 200),
    (DEPLOY, "post", "batches/{batch}/again/", None, 409),
    (ALL, "get", "batches/{batch}/comparison/", None, 404),
    (DEPLOY, "post", "batches/schedules/", MONTHLY, 201),
    (DEPLOY, "patch", "batches/schedules/{schedule}/", {"on": False}, 200),
    (DEPLOY, "delete", "batches/schedules/{schedule}/", None, 204),
    (HIGH, "post", "models/flight-eta/edge/stable/", {"on": False}, 200),
    (HIGH, "post", "models/flight-eta/edge/beta/", {"on": True}, 200),
    (HIGH, "post", "models/flight-eta/edge/stable/release/", {}, 201),
    (HIGH, "post", "models/flight-eta/edge/stable/withdraw/", WHY, 409),
    (REGISTER, "post", "models/flight-eta/packages/1/edge/", {}, 409),
    (REGISTER, "get", "models/flight-eta/packages/1/edge/zip/", None, 404),
    (HIGH, "post", "streams/hooks/", {"model": "flight-eta", "environment": "dev", "url": "ftp://x"}, 400),
    (HIGH, "post", "streams/hooks/remove/", {"model": "flight-eta", "environment": "dev"}, 409),
    (HIGH, "post", "streams/replay/", {"model": "flight-eta", "environment": "dev"}, 409),
    (ALL, "post", "tokens/", {"name": "laptop"}, 201),
    *((ALL, "get", address, None, 200) for address in READS),
]
NAMES = [f"{method} {address}" for _, method, address, _, _ in CALLS]


@pytest.fixture
def ids(packages, make_live, environments: dict[str, Environment]) -> dict[str, int]:
    """Package 1 is live in dev, test and production; package 2 is on its way in test."""
    live = {place: make_live(packages[0], place) for place in ("dev", "test", "production")}
    running = Release.objects.create(
        model=packages[1].model,
        package=packages[1],
        environment=environments["test"],
        strategy="blue_green",
        created_at=live["dev"].created_at,
        state_since=live["dev"].created_at,
        step_since=live["dev"].created_at,
    )
    intake = Intake.objects.create(model=packages[0].model, filename="model.zip")
    key = ApiKey.objects.create(environment=environments["dev"], name="client", prefix="sk_1", hash="0" * 64)
    place = {"model": packages[0].model, "environment": environments["dev"]}
    batch = BatchJob.objects.create(**place, folder="a test", filename="rows.csv", form="csv")
    schedule = BatchSchedule.objects.create(**place, name="Sales", cron="0 6 1 * *", pattern="{mm}.csv")
    EdgeChannel.objects.create(
        model=packages[0].model, name="stable", environment=environments["production"], changed_at=batch.created_at
    )
    numbers = {"live": live["dev"].pk, "production": live["production"].pk}
    numbers |= {"batch": batch.pk, "schedule": schedule.pk}
    return numbers | {"running": running.pk, "intake": intake.pk, "key": key.pk}


def send(client: APIClient, method: str, address: str, body: object):
    if body == "file":
        upload = {"file": SimpleUploadedFile("model.zip", b"PK")}
        return client.post(f"/api/{address}", upload, format="multipart")
    return getattr(client, method)(f"/api/{address}", body)


@pytest.mark.parametrize(("allowed", "method", "address", "body", "status"), CALLS, ids=NAMES)
def test_each_role_may_do_its_own_and_nothing_else(
    allowed: set[str], method: str, address: str, body: object, status: int, ids, caller: Callable[[str], APIClient]
):
    answers = {role: undone(caller(role), method, address.format(**ids), body) for role in ROLES}
    assert {role: answer.status_code for role, answer in answers.items()} == {
        role: status if role in allowed else 403 for role in ROLES
    }
    refused = [answer.json()["detail"] for role, answer in answers.items() if role not in allowed]
    assert all("Ask somebody with one of these roles" in words for words in refused)


def undone(client: APIClient, method: str, address: str, body: object):
    """Send, then take every change back, so that the next role finds the same state."""
    with transaction.atomic():
        answer = send(client, method, address, body)
        transaction.set_rollback(True)
    return answer


def test_nobody_calls_without_signing_in(ids):
    for _, method, address, body, _ in CALLS:
        answer = send(APIClient(), method, address.format(**ids), body)
        assert answer.status_code == 401, address
        assert answer["WWW-Authenticate"] == 'Token realm="Slipway"'
        assert answer.json().keys() == {"detail"}


def test_somebody_without_a_role_reads_and_changes_nothing(ids, person, caller):
    person(VIEWER).groups.clear()
    client = caller(VIEWER)
    assert client.get("/api/models/").status_code == 200
    assert client.post("/api/models/", {"name": "new"}).status_code == 403
    assert client.get("/api/me/").json() == {"username": "viewer", "roles": [], "rights": [], "deploys_to": []}


def test_quality_assurance_signs_off_and_deploys_nowhere(caller):
    me = caller(QA).get("/api/me/").json()
    assert me == {"username": "QA", "roles": ["QA"], "rights": ["run suites", "sign off"], "deploys_to": []}


def test_a_developer_is_told_where_they_may_deploy(caller):
    assert caller(DEVELOPER).get("/api/me/").json()["deploys_to"] == ["dev", "test"]
