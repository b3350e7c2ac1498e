"""Keys of environments through the API."""

from __future__ import annotations

import hashlib

from releases.models import ApiKey, AuditRow, PublishedTable


def issue(client, **body):
    return client.post("/api/keys/", {"environment": "dev", "name": "client", **body})


def test_an_issued_key_is_shown_once_and_published(manager_calls, model):
    issued = issue(manager_calls, models=["flight-eta"], pin=True).json()
    digest = hashlib.sha256(issued["secret"].encode()).hexdigest()
    table = PublishedTable.objects.filter(environment__name="dev").first()
    assert {"hash": digest, "pin": True, "models": ["flight-eta"]}.items() <= table.body["keys"][-1].items()
    listed = manager_calls.get("/api/keys/?environment=dev").json()["results"]
    assert issued["secret"] not in str(listed)
    assert digest not in str(listed)


def test_a_revoked_key_leaves_the_table_and_stays_in_the_list(manager_calls, environments):
    key = issue(manager_calls).json()
    answer = manager_calls.post(f"/api/keys/{key['id']}/revoke/", {"reason": "leaked"})
    assert answer.json()["revoked_at"]
    shown = manager_calls.get("/api/environments/dev/table/").json()["body"]["keys"]
    assert key["prefix"] not in {row["prefix"] for row in shown}
    assert [row["id"] for row in manager_calls.get("/api/keys/?revoked=true").json()["results"]] == [key["id"]]
    assert key["id"] not in {row["id"] for row in manager_calls.get("/api/keys/?revoked=false").json()["results"]}
    assert AuditRow.objects.get(action="key.revoke").reason == "leaked"


def test_a_key_is_revoked_once(manager_calls, environments):
    key = issue(manager_calls).json()
    assert manager_calls.post(f"/api/keys/{key['id']}/revoke/", {}).status_code == 200
    answer = manager_calls.post(f"/api/keys/{key['id']}/revoke/", {})
    assert (answer.status_code, answer.json()["detail"]) == (409, "This key is revoked already.")


def test_slipways_own_key_is_not_revoked(manager_calls, environments):
    own = ApiKey.objects.get(environment__name="dev", internal=True)
    assert manager_calls.post(f"/api/keys/{own.pk}/revoke/", {}).status_code == 409


def test_an_unknown_key_is_404(manager_calls, environments):
    assert manager_calls.post("/api/keys/999/revoke/", {}).status_code == 404


def test_a_wrong_key_is_told_by_its_field(manager_calls, environments):
    assert issue(manager_calls, name=" ").json().keys() == {"name"}
    assert issue(manager_calls, models=["nope"]).json() == {"models": ["No such model: nope."]}
    assert issue(manager_calls, models=[7]).json() == {"models": ["This must be text."]}
    assert issue(manager_calls, models="flight-eta").json().keys() == {"models"}
    assert issue(manager_calls, pin="yes").json() == {"pin": ["This must be true or false."]}
    assert issue(manager_calls, expires_at="2001-01-01T00:00:00Z").json().keys() == {"expires_at"}
    assert issue(manager_calls, environment="nowhere").json().keys() == {"environment"}
    assert ApiKey.objects.filter(internal=False).count() == 0
