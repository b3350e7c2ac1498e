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
    for verb in ("", "rotate/", "end-old/", "revoke/"):
        assert client.post(f"/keys/{internal.pk}/{verb}").status_code == 404


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
        ({"requests_per_second": "0"}, "greater than or equal to 1"),
        ({"concurrent_requests": "many"}, "Enter a whole number."),
        ({"origins": "https://shop.example.com/path"}, "An origin looks like"),
        ({"origins": "*"}, "no wildcard"),
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


LIMITS = {"requests_per_second": "100", "concurrent_requests": "4", "origins": "https://a.example\n https://b.example"}


def test_limits_and_pages_are_issued_shown_and_changed(client):
    client.post("/keys/", VALUES | LIMITS)
    key = ApiKey.objects.get(internal=False)
    assert (key.requests_per_second, key.concurrent_requests) == (100, 4)
    assert key.origins == ["https://a.example", "https://b.example"]
    assert "100 a second" in text(client.get("/keys/"))
    page = text(client.get(key.get_absolute_url()))
    for words in ("100 a second, over all gateways together", "4 in flight", "https://b.example"):
        assert words in page
    change = {"name": "Booking site", "expires": "keep", "requests_per_second": "250", "origins": "", "pin": "on"}
    assert client.post(key.get_absolute_url(), change).url == key.get_absolute_url()
    before, key = key, ApiKey.objects.get(pk=key.pk)
    assert (key.requests_per_second, key.concurrent_requests, key.origins, key.pin) == (250, None, [], True)
    assert key.expires_at == before.expires_at
    assert AuditRow.objects.get(action="key.change").details["requests_per_second"] == [100, 250]


def test_a_wrong_change_is_said_at_its_field_and_changes_nothing(client, environments):
    key, _ = actions.issue(actor=None, environment=environments["dev"], name="Client")
    for change, words in (
        ({"name": "", "expires": "keep"}, "This field is required."),
        ({"name": "x", "expires": "keep", "origins": "ftp://x"}, "An origin looks like"),
        ({"name": "x"}, "This field is required."),
    ):
        answer = client.post(key.get_absolute_url(), change)
        assert (answer.status_code, words in text(answer)) == (400, True)
    assert ApiKey.objects.get(pk=key.pk).name == "Client"


def rotate(client, key, **values):
    return client.post(f"/keys/{key.pk}/rotate/", {"overlap_hours": "24", "in_use": key.prefix, **values})


def test_a_rotated_key_shows_its_new_secret_once_and_both_until_the_old_one_ends(client, environments):
    key, old = actions.issue(actor=None, environment=environments["dev"], name="Client")
    actions.note_use({actions.hashed(old): int(timezone.now().timestamp()) - 180})
    assert "Give Client a new secret?" in text(client.get(f"/keys/{key.pk}/rotate/"))
    answer = rotate(client, key)
    secret = SECRET.search(text(answer)).group()
    assert (answer.status_code, "no-store" in answer["Cache-Control"]) == (201, True)
    page = text(client.get(key.get_absolute_url()))
    assert secret not in page
    assert key.prefix in page
    assert secret[:10] in page
    assert "3\u00a0min ago" in page
    assert client.post(f"/keys/{key.pk}/end-old/").url == key.get_absolute_url()
    assert "There is no older secret" in text(client.post(f"/keys/{key.pk}/end-old/"))


def test_a_rotation_sent_twice_does_not_end_the_secret_that_was_just_shown(client, environments):
    key, _ = actions.issue(actor=None, environment=environments["dev"], name="Client")
    assert rotate(client, key, overlap_hours="0").status_code == 201
    again = rotate(client, key, overlap_hours="0")
    assert (again.status_code, "in the meantime" in text(again)) == (409, True)


def test_a_revoked_key_has_a_page_and_nothing_to_change(client, environments):
    key, _ = actions.issue(actor=None, environment=environments["dev"], name="Client")
    actions.revoke(actor=None, key=key)
    page = text(client.get(key.get_absolute_url()))
    assert "It was revoked" in page
    assert "Save the key" not in page
    assert client.post(key.get_absolute_url(), {"name": "x", "expires": "keep"}).status_code == 409
    assert rotate(client, key).status_code == 409


@pytest.mark.parametrize("role", ["viewer", "developer", "QA"])
def test_without_the_right_there_is_no_list_no_form_and_no_revoking(signed_in, environments, redis, role):
    key, _ = actions.issue(actor=None, environment=environments["dev"], name="Client")
    client = signed_in(role)
    for answer in (
        client.get("/keys/"),
        client.post("/keys/", VALUES),
        client.get(f"/keys/{key.pk}/"),
        client.post(f"/keys/{key.pk}/", VALUES),
        client.post(f"/keys/{key.pk}/rotate/", {"overlap_hours": "0", "in_use": key.prefix}),
        client.post(f"/keys/{key.pk}/end-old/"),
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
    with django_assert_max_num_queries(10):
        client.get("/keys/")
