"""Keys of environments through the API."""

from __future__ import annotations

import hashlib

import pytest

from releases.models import ApiKey, AuditRow, PublishedTable


def issue(client, **body):
    return client.post("/api/keys/", {"environment": "dev", "name": "client", **body})


def test_an_issued_key_is_shown_once_and_published(manager_calls, model):
    issued = issue(manager_calls, models=["flight-eta"], pin=True).json()
    digest = hashlib.sha256(issued["secret"].encode()).hexdigest()
    table = PublishedTable.objects.filter(environment__name="dev").first()
    published = table.body["keys"][-1]
    assert (published["hash"], published["pin"], published["models"]) == (digest, True, ["flight-eta"])
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


def test_slipways_own_key_does_not_exist_here(manager_calls, environments):
    own = ApiKey.objects.get(environment__name="dev", internal=True)
    assert manager_calls.get("/api/keys/").json()["results"] == []
    assert manager_calls.get(f"/api/keys/{own.pk}/").status_code == 404
    assert manager_calls.patch(f"/api/keys/{own.pk}/", {"requests_per_second": 1}).status_code == 404
    for verb in ("revoke", "rotate", "end-old"):
        assert manager_calls.post(f"/api/keys/{own.pk}/{verb}/", {}).status_code == 404


LIMITS = {"requests_per_second": 100, "concurrent_requests": 4, "origins": ["https://Shop.example.com:443/"]}


def test_limits_and_origins_are_issued_shown_and_published(manager_calls, environments):
    key = issue(manager_calls, **LIMITS).json()
    wanted = LIMITS | {"origins": ["https://shop.example.com"]}
    assert wanted.items() <= manager_calls.get(f"/api/keys/{key['id']}/").json().items()
    table = PublishedTable.objects.filter(environment__name="dev").first()
    assert wanted.items() <= table.body["keys"][-1].items()


def test_a_change_names_what_changes_and_leaves_the_rest(manager_calls, environments):
    key = issue(manager_calls, **LIMITS).json()
    changed = manager_calls.patch(f"/api/keys/{key['id']}/", {"requests_per_second": None, "name": "shop"}).json()
    assert (changed["requests_per_second"], changed["concurrent_requests"], changed["name"]) == (None, 4, "shop")
    row = AuditRow.objects.get(action="key.change")
    assert row.details == {"name": ["client", "shop"], "requests_per_second": [100, None]}
    assert manager_calls.patch(f"/api/keys/{key['id']}/", {"environment": "test"}).json().keys() == {"environment"}


def test_a_rotated_key_has_two_secrets_for_a_while(manager_calls, environments):
    old = issue(manager_calls).json()
    new = manager_calls.post(f"/api/keys/{old['id']}/rotate/", {"overlap_hours": 2}).json()
    assert new["secret"] not in (old["secret"], "")
    assert (new["id"], new["previous_prefix"]) == (old["id"], old["prefix"])
    published = PublishedTable.objects.filter(environment__name="dev").first().body["keys"]
    secrets = [hashlib.sha256(each["secret"].encode()).hexdigest() for each in (new, old)]
    assert [key["hash"] for key in published[1:]] == secrets
    again = manager_calls.post(f"/api/keys/{old['id']}/rotate/", {})
    assert (again.status_code, "End it first" in again.json()["detail"]) == (409, True)
    ended = manager_calls.post(f"/api/keys/{old['id']}/end-old/", {}).json()
    assert ended["previous_until"] < new["previous_until"]
    assert manager_calls.post(f"/api/keys/{old['id']}/end-old/", {}).status_code == 409
    assert "secret" not in ended


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("requests_per_second", 0),
        ("requests_per_second", 1_000_001),
        ("requests_per_second", "10"),
        ("concurrent_requests", 1.5),
        ("concurrent_requests", -1),
        ("origins", ["*"]),
        ("origins", ["https://shop.example.com/path"]),
        ("origins", [f"https://{number}.example.com" for number in range(21)]),
        ("origins", "https://shop.example.com"),
    ],
)
def test_wrong_limits_and_origins_are_told_by_their_field(manager_calls, environments, field, value):
    key = issue(manager_calls).json()
    for answer in (
        issue(manager_calls, **{field: value}),
        manager_calls.patch(f"/api/keys/{key['id']}/", {field: value}),
    ):
        assert answer.status_code == 400
        assert answer.json().keys() == {field}


def test_an_overlap_has_bounds(manager_calls, environments):
    key = issue(manager_calls).json()
    for hours in (-1, 24 * 90 + 1, "2"):
        answer = manager_calls.post(f"/api/keys/{key['id']}/rotate/", {"overlap_hours": hours})
        assert answer.json().keys() == {"overlap_hours"}


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
