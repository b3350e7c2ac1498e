from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from releases.actions import keys as actions
from releases.models import ApiKey, AuditRow, PublishedTable

pytestmark = pytest.mark.django_db
VALUES = {"name": "Booking site", "environment": "production", "expires": "90"}
SECRET = re.compile(r"sk_[A-Za-z0-9_-]{43}")


def text(answer) -> str:
    return answer.content.decode()


@pytest.fixture
def client(signed_in, redis):
    return signed_in("release manager")


def test_a_new_key_is_shown_once_and_works_from_the_next_table_on(client, model):
    answer = client.post("/keys/", VALUES | {"models": ["flight-eta"]})
    assert answer.status_code == 201
    secret = SECRET.search(text(answer)).group()
    key = ApiKey.objects.get(internal=False)
    assert (key.hash, key.models) == (actions.hashed(secret), ["flight-eta"])
    assert abs(key.expires_at - timezone.now() - timedelta(days=90)) < timedelta(minutes=1)
    newest = PublishedTable.objects.filter(environment=key.environment).first()
    assert key.hash in {each["hash"] for each in newest.body["keys"]}
    again = text(client.get("/keys/"))
    assert secret not in again
    assert key.prefix in again


def test_the_answer_with_the_secret_is_kept_by_no_cache(client):
    assert "no-store" in client.post("/keys/", VALUES)["Cache-Control"]


def test_slipways_own_keys_are_not_listed_and_cannot_be_revoked_here(client):
    assert "No keys yet" in text(client.get("/keys/"))
    internal = ApiKey.objects.filter(internal=True).first()
    assert client.post(f"/keys/{internal.pk}/revoke/").status_code == 404


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, "This field is required."),
        ({"name": "   "}, "This field is required."),
        ({"name": "x" * 101}, "at most 100 characters"),
        ({"environment": "nowhere"}, "Select a valid choice"),
        ({"models": ["nothing"]}, "Select a valid choice"),
        ({"expires": "-1"}, "Select a valid choice"),
        ({"expires": ""}, "This field is required."),
    ],
)
def test_wrong_input_is_said_at_its_field_and_issues_nothing(client, change, words):
    answer = client.post("/keys/", VALUES | change)
    assert answer.status_code == 400
    assert words in text(answer)
    assert not ApiKey.objects.filter(internal=False).exists()


def test_a_name_is_never_markup(client):
    page = text(client.post("/keys/", VALUES | {"name": "<script>alert(1)</script>"}))
    assert "<script>alert" not in page
    key = ApiKey.objects.get(internal=False)
    for address in ("/keys/", f"/keys/{key.pk}/revoke/", "/activity/"):
        assert "<script>alert" not in text(client.get(address))


def test_a_key_is_revoked_after_a_question_and_only_once(client, environments):
    key, _ = actions.issue(actor=None, environment=environments["dev"], name="Old client")
    assert "Revoke the key of Old client?" in text(client.get(f"/keys/{key.pk}/revoke/"))
    assert client.post(f"/keys/{key.pk}/revoke/", {"reason": "The laptop was lost"}).url == "/keys/"
    key.refresh_from_db()
    assert key.revoked_at
    assert AuditRow.objects.get(action="key.revoke").reason == "The laptop was lost"
    again = client.post(f"/keys/{key.pk}/revoke/", {"reason": ""})
    assert again.status_code == 409
    assert "This key is revoked already." in text(again)


@pytest.mark.parametrize("role", ["viewer", "developer", "QA"])
def test_without_the_right_there_is_no_list_no_form_and_no_revoking(signed_in, environments, redis, role):
    key, _ = actions.issue(actor=None, environment=environments["dev"], name="Client")
    client = signed_in(role)
    for answer in (
        client.get("/keys/"),
        client.post("/keys/", VALUES),
        client.get(f"/keys/{key.pk}/revoke/"),
        client.post(f"/keys/{key.pk}/revoke/"),
    ):
        assert answer.status_code == 403
        assert "Ask somebody with one of these roles: release manager, admin." in text(answer)
    key.refresh_from_db()
    assert key.revoked_at is None
    assert ApiKey.objects.filter(internal=False).count() == 1


def test_the_list_is_narrowed_to_an_environment_and_tells_the_state(client, environments):
    actions.issue(actor=None, environment=environments["dev"], name="In dev")
    old, _ = actions.issue(actor=None, environment=environments["production"], name="In production")
    ApiKey.objects.filter(pk=old.pk).update(expires_at=timezone.now() - timedelta(days=1))
    page = text(client.get("/keys/?environment=production"))
    assert "In production" in page
    assert "In dev" not in page
    assert "Expired" in page


def test_the_number_of_queries_does_not_grow_with_the_keys(client, environments, django_assert_max_num_queries):
    for number in range(30):
        ApiKey.objects.create(environment=environments["dev"], name=f"k{number}", hash=str(number), models=["*"])
    with django_assert_max_num_queries(8):
        client.get("/keys/")
