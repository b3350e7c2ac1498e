"""A person's own tokens through the API."""

from __future__ import annotations

from rest_framework.test import APIClient

from releases.models import AccessToken, AuditRow


def test_a_secret_is_shown_once_and_works_at_once(admin_calls):
    issued = admin_calls.post("/api/tokens/", {"name": "laptop"}).json()
    assert issued["secret"].startswith("st_")
    assert APIClient(headers={"Authorization": f"Token {issued['secret']}"}).get("/api/me/").status_code == 200
    listed = admin_calls.get("/api/tokens/").json()["results"]
    assert [row["name"] for row in listed] == ["laptop", "test of admin"]
    assert issued["secret"] not in str(listed)


def test_a_revoked_token_opens_nothing(admin_calls):
    issued = admin_calls.post("/api/tokens/", {"name": "laptop"}).json()
    assert admin_calls.delete(f"/api/tokens/{issued['id']}/").status_code == 204
    assert APIClient(headers={"Authorization": f"Token {issued['secret']}"}).get("/api/me/").status_code == 401
    assert admin_calls.delete(f"/api/tokens/{issued['id']}/").status_code == 404
    assert AuditRow.objects.filter(action="token.revoke").count() == 1


def test_nobody_sees_or_revokes_another_persons_token(admin_calls, caller):
    other = caller("viewer").post("/api/tokens/", {"name": "theirs"}).json()
    assert "theirs" not in str(admin_calls.get("/api/tokens/").json())
    assert admin_calls.delete(f"/api/tokens/{other['id']}/").status_code == 404
    assert AccessToken.objects.filter(name="theirs").exists()


def test_a_token_needs_a_name(admin_calls):
    assert admin_calls.post("/api/tokens/", {"name": " "}).json().keys() == {"name"}
    assert admin_calls.post("/api/tokens/", {"name": "n" * 101}).json().keys() == {"name"}
