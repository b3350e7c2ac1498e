from __future__ import annotations

import pytest
from django.core.exceptions import BadRequest, PermissionDenied
from django.test import Client, RequestFactory

from dashboard.views import errors


@pytest.mark.django_db
def test_an_address_that_is_not_there_is_said_in_words(signed_in):
    answer = signed_in("viewer").get("/no/such/page/")
    assert answer.status_code == 404
    assert "There is nothing at this address" in answer.content.decode()


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (lambda request: errors.bad_request(request, BadRequest("secret details")), 400, "cannot be read"),
        (lambda request: errors.forbidden(request, PermissionDenied("Only an admin may.")), 403, "Only an admin may."),
        (lambda request: errors.not_found(request, KeyError("x")), 404, "There is nothing"),
        (lambda request: errors.broken(request), 500, "Something went wrong on our side"),
    ],
)
def test_each_error_is_a_page_that_needs_no_database_and_leads_on(answer, status, words):
    found = answer(RequestFactory().get("/"))
    assert found.status_code == status
    page = found.content.decode()
    assert words in page
    assert 'href="/"' in page
    assert "secret details" not in page


@pytest.mark.django_db
def test_a_crash_is_a_page_without_a_traceback(signed_in, monkeypatch):
    client = signed_in("viewer")
    client.raise_request_exception = False
    monkeypatch.setattr("releases.queries.activity.page", lambda *_, **__: 1 / 0)
    answer = client.get("/activity/")
    assert answer.status_code == 500
    page = answer.content.decode()
    assert "Something went wrong on our side" in page
    assert "ZeroDivisionError" not in page


@pytest.mark.django_db
def test_a_form_without_its_token_is_refused_in_words(person):
    client = Client(enforce_csrf_checks=True)
    client.force_login(person("viewer"), backend="django.contrib.auth.backends.ModelBackend")
    answer = client.post("/sign-out/")
    assert answer.status_code == 403
    assert "This form is too old" in answer.content.decode()


@pytest.mark.django_db
def test_every_answer_carries_the_strict_policy(signed_in, redis):
    client = signed_in("viewer")
    for address in ("/environments/", "/activity/", "/playground/", "/account/", "/nothing/"):
        policy = client.get(address)["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
