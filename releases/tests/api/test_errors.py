"""Wrong input of every kind: an answer in words, never a traceback, never a 5xx."""

from __future__ import annotations

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DataError, OperationalError
from rest_framework.test import APIClient

from releases.api import releases as view
from releases.models import Intake, MLModel

JSON = "application/json"
NUL = "a\0b"
LONG = "x" * 10_000


def text_of(value: object) -> str:
    return json.dumps(value)


BODIES = [
    ("{", "non_field_errors", "not JSON"),
    ("", "name", "required"),
    (b"\xff\xfe", "non_field_errors", "not JSON"),
    ('{"name": NaN}', "non_field_errors", "NaN is not a number"),
    ("[" * 100_000, "non_field_errors", "nested too deeply"),
    ('{"name": ' + "9" * 5000 + "}", "non_field_errors", "not JSON"),
    (r'{"name": "a\u0000b"}', "non_field_errors", "NUL"),
    (r'{"name": "\ud800"}', "non_field_errors", "not JSON"),
    ("[]", "non_field_errors", "Expected a dictionary"),
    ("null", "non_field_errors", "No data"),
    ('"text"', "non_field_errors", "Expected a dictionary"),
    ("{}", "name", "required"),
    ('{"name": null}', "name", "null"),
    ('{"name": 7}', "name", "text"),
    ('{"name": ["a"]}', "name", "text"),
    ('{"name": "Not A Name"}', "name", "small letters"),
    ('{"name": "-a"}', "name", "small letters"),
    (text_of({"name": LONG}), "name", "63"),
    (text_of({"name": "a", "description": LONG}), "description", "300"),
    (text_of({"name": "a", "colour": "red"}), "colour", "Known are: description, name"),
]


def test_a_wrong_body_is_told_by_its_field(admin_calls):
    for body, field, words in BODIES:
        answer = admin_calls.post("/api/models/", data=body, content_type=JSON)
        assert answer.status_code == 400, body
        assert field in answer.json()
        assert words in " ".join(answer.json()[field])
        assert not MLModel.objects.exists()


def test_a_body_of_another_kind_is_415(admin_calls):
    answer = admin_calls.post("/api/models/", data="name=a", content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 415
    assert "Unsupported media type" in answer.json()["detail"]
    assert admin_calls.post("/api/models/", data=b"x", content_type="text/plain; charset=base64").status_code == 415


def test_a_json_body_has_a_bound(admin_calls):
    answer = admin_calls.post("/api/models/", data='{"name": "' + "a" * (1 << 20) + '"}', content_type=JSON)
    assert answer.status_code == 413
    assert "1048576 bytes" in answer.json()["detail"]


NUMBERS = [0, -1, 2**31, 2**64, 10**400, 1.5, "1", True, None, [], {}, "sha256:" + "0" * 64]


def test_a_number_of_a_package_is_a_whole_number(admin_calls, packages):
    for value in NUMBERS:
        body = {"model": "flight-eta", "package": value, "environment": "dev"}
        answer = admin_calls.post("/api/releases/", body)
        assert (answer.status_code, *answer.json()) == (400, "package"), value


TIMES = ["yesterday", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", 7, NUL, "", {}]


def test_a_wrong_time_is_told(admin_calls, packages):
    for time in TIMES:
        body = {"model": "flight-eta", "package": 1, "environment": "dev", "start_at": time}
        answer = admin_calls.post("/api/releases/", body)
        assert answer.status_code == 400
        assert answer.json().keys() <= {"start_at", "non_field_errors"}


def test_what_a_body_names_and_is_not_there_is_told_by_its_field(admin_calls, packages):
    answer = admin_calls.post("/api/releases/", {"model": "nope", "package": 1, "environment": "nowhere"})
    assert answer.status_code == 400
    assert answer.json() == {
        "model": ["There is no model named 'nope'."],
        "environment": ["There is no environment named 'nowhere'."],
    }
    answer = admin_calls.post("/api/releases/", {"model": "flight-eta", "package": 9, "environment": "dev"})
    assert answer.json() == {"package": ["flight-eta has no package 9."]}


ADDRESSES = [
    "models/nope/",
    "models/nope/packages/",
    "models/nope/packages/1/",
    "models/flight-eta/packages/9/",
    "models/flight-eta/packages/0/",
    "models/flight-eta/packages/999999999/",
    "models/flight-eta/packages/9999999999999999999999/",
    "models/flight-eta/packages/١/",
    "models/flight%00eta/",
    "models/Flight/",
    "models/flight-eta%0A/",
    "models/%ff/",
    "models/flight-eta",
    "intakes/9/",
    "intakes/999999999999999999/",
    "intakes/-1/",
    "releases/9/",
    "environments/nope/",
    "environments/nope/table/",
    "environments/nope/tables/",
    "environments/nope/adoption/",
    "models/nope/diff/?from=1&to=2",
    "models/flight-eta/diff/?from=1&to=99",
    "nonsense/",
    "",
    "models/?page=2",
    "models/?page=0",
    "models/?page=-1",
    "models/?page=x",
    "models/?page=" + "9" * 5000,
    "models/?page=١",
]


def test_what_is_not_there_is_404_in_json(admin_calls, packages):
    for address in ADDRESSES:
        answer = admin_calls.get(f"/api/{address}")
        assert (answer.status_code, answer["Content-Type"]) == (404, JSON), address


FILTERS = [
    ("audit/?colour=red", "colour", "action, actor, environment, model, page, page_size, since, until"),
    ("packages/?number=1", "number", "digest, live, model, page, page_size, runtime"),
    ("models/flight-eta/?x=1", "x", "Known are: none"),
    ("models/?page_size=201", "page_size", "200"),
    ("models/?page_size=0", "page_size", "1"),
    ("models/?page_size=x", "page_size", "whole number"),
    ("models/?page_size=%00", "page_size", "whole number"),
    ("releases/?state=gone", "state", "not a valid choice"),
    ("releases/?since=then", "since", "Datetime"),
    ("releases/?package=-1", "package", "whole number"),
    ("releases/?package=99999999999", "package", "2147483647"),
    ("releases/?model=%00", "model", "Null characters"),
    ("releases/?model=", "model", "blank"),
    ("intakes/?state=%00", "state", "not a valid choice"),
    ("keys/?revoked=maybe", "revoked", "true or false"),
    ("environments/dev/tables/?at=now", "at", "Datetime"),
    ("models/flight-eta/diff/", "from", "required"),
    ("models/flight-eta/diff/?from=1&to=one", "to", "whole number"),
    ("gates/", "model", "required"),
    ("gates/?model=flight-eta&package=9&environment=dev", "package", "has no package 9"),
    ("gates/?model=flight-eta&package=1&environment=%00", "environment", "Null characters"),
    ("traffic/?model=flight-eta&environment=dev&minutes=0", "minutes", "1"),
    ("traffic/?model=flight-eta&environment=dev&minutes=999999999", "minutes", "43200"),
]


def test_a_wrong_filter_is_told_with_what_is_known(admin_calls, packages):
    for address, field, words in FILTERS:
        answer = admin_calls.get(f"/api/{address}")
        assert answer.status_code == 400, answer.content
        assert words in " ".join(answer.json()[field])


def test_a_query_in_another_character_set_is_read_as_utf_8(admin_calls, environments):
    answer = admin_calls.get("/api/models/?name=%C3%A9", CONTENT_TYPE="text/plain; charset=base64")
    assert answer.status_code == 200


def test_a_method_that_is_not_there_is_405(admin_calls, environments):
    for send in (admin_calls.put, admin_calls.delete, admin_calls.options, admin_calls.trace):
        answer = send("/api/models/")
        assert answer.status_code == 405
        assert answer["Allow"] == "GET, POST, HEAD"


FORM = "multipart/form-data; boundary=x"
PART = 'Content-Disposition: form-data; name="file"; filename="a.zip"\r\n'


FORMS = [
    (b"", FORM, 400),
    (b"--x", FORM, 400),
    (b"--x\r\nnonsense", FORM, 400),
    (f"--x\r\n{PART}".encode(), FORM, 400),
    (f"--x\r\n{PART}\r\n\r\n--x--".encode(), FORM, 400),
    (b"x", "multipart/form-data", 400),
    (b"x", "multipart/form-data; boundary=" + "b" * 300, 415),
    (f"--x\r\n{PART}Content-Transfer-Encoding: base64\r\n\r\n!!!\r\n--x--".encode(), FORM, 400),
    (
        b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename*=nope''%FF\r\n\r\na\r\n--x--",
        FORM,
        400,
    ),
    (f"--x\r\n{PART}\r\na\r\n--x--".encode(), FORM + "; charset=base64", 202),
    (b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\ntext\r\n--x--', FORM, 400),
    (b"{}", JSON, 415),
    (b"PK", "application/zip", 415),
    (b"PK", "", 415),
]


def test_a_broken_form_is_told(admin_calls, model):
    for body, kind, status in FORMS:
        answer = admin_calls.generic("POST", "/api/models/flight-eta/packages/", body, content_type=kind)
        assert answer.status_code == status, (body, kind, answer.content)
    assert Intake.objects.count() == [status for _, _, status in FORMS].count(202)


def test_too_many_fields_are_refused(admin_calls, model):
    parts = b"".join(b'--x\r\nContent-Disposition: form-data; name="a%d"\r\n\r\n1\r\n' % n for n in range(1500))
    answer = admin_calls.generic("POST", "/api/models/flight-eta/packages/", parts + b"--x--", content_type=FORM)
    assert answer.status_code == 400


UPLOADS = [
    ({}, "file", "No file"),
    ({"file": "text"}, "file", "not a file"),
    ({"file": b""}, "file", "empty"),
    ({"file": b"x", "constraints": "{"}, "constraints", "not JSON"),
    ({"file": b"x", "constraints": "[1]"}, "constraints", "dictionary"),
    ({"file": b"x", "constraints": '{"a": 1}'}, "constraints", "dictionary"),
    ({"file": b"x", "constraints": '{"a": {"above": 1}}'}, "constraints", "Known are: description, ge, gt"),
    ({"file": b"x", "constraints": '{"a": {"gt": "0"}}'}, "constraints", "finite number"),
    ({"file": b"x", "constraints": '{"a": {"gt": true}}'}, "constraints", "finite number"),
    ({"file": b"x", "constraints": '{"a": {"gt": 1e999}}'}, "constraints", "finite number"),
    ({"file": b"x", "constraints": '{"a": {"gt": 1' + "0" * 400 + "}}"}, "constraints", "finite number"),
    ({"file": b"x", "constraints": '{"a": {"values": "JFK"}}'}, "constraints", "list"),
    ({"file": b"x", "constraints": '{"a": {"values": [{}]}}'}, "constraints", "whole number"),
    ({"file": b"x", "inputs": "{}"}, "inputs", "list"),
    ({"file": b"x", "inputs": '[{"name": "a"}]'}, "inputs", "required"),
    ({"file": b"x", "inputs": '[{"name": "a", "type": "number"}]'}, "inputs", "not a valid choice"),
    ({"file": b"x", "constraints": '{"a": NaN}'}, "constraints", "NaN"),
    ({"file": b"x", "constraints": '{"a": "\\u0000"}'}, "constraints", "NUL"),
    ({"file": b"x", "constraints": '{"a":' * 50_000}, "constraints", "nested too deeply"),
    ({"file": b"x", "notes": "n" * 501}, "notes", "500"),
    ({"file": b"x", "notes": NUL}, "notes", "Null characters"),
    ({"file": b"x", "number": "9"}, "number", "Known are: constraints, file, inputs, notes"),
]


def test_a_wrong_upload_is_told_by_its_field(admin_calls, model):
    for fields, field, words in UPLOADS:
        form = {k: SimpleUploadedFile("model.zip", v) if isinstance(v, bytes) else v for k, v in fields.items()}
        answer = admin_calls.post("/api/models/flight-eta/packages/", form, format="multipart")
        assert answer.status_code == 400, answer.content
        assert words in " ".join(answer.json()[field])
        assert not Intake.objects.exists()


def test_an_upload_over_the_limit_is_refused_before_it_is_read(admin_calls, model, settings):
    settings.UPLOAD_MAX_BYTES = 1 << 20
    form = {"file": SimpleUploadedFile("model.zip", b"x" * (3 << 20))}
    answer = admin_calls.post("/api/models/flight-eta/packages/", form, format="multipart")
    assert answer.status_code == 413
    assert answer.json() == {"detail": "The upload is larger than 1 MB. The setting UPLOAD_MAX_MB raises this."}


def test_an_upload_a_little_over_the_limit_is_told_by_its_field(admin_calls, model, settings):
    before = set(settings.UPLOADS.glob("*"))
    settings.UPLOAD_MAX_BYTES = 1 << 20
    form = {"file": SimpleUploadedFile("model.zip", b"x" * ((1 << 20) + 1))}
    answer = admin_calls.post("/api/models/flight-eta/packages/", form, format="multipart")
    assert answer.status_code == 400
    assert "larger than 1 MB" in answer.json()["file"][0]
    assert set(settings.UPLOADS.glob("*")) == before


@pytest.mark.parametrize(
    ("trouble", "status"),
    [(OperationalError("locked"), 503), (DataError("too long"), 400), (RuntimeError("a secret"), 500)],
)
def test_trouble_on_our_side_is_json_without_its_cause(trouble, status, admin_calls, environments, monkeypatch):
    def broken() -> None:
        raise trouble

    monkeypatch.setattr(view, "every_release", broken)
    answer = admin_calls.get("/api/releases/")
    assert answer.status_code == status
    assert str(trouble) not in answer.content.decode()


def test_a_session_needs_the_csrf_token_to_change_something(person, environments):
    browser = APIClient(enforce_csrf_checks=True)
    browser.force_login(person("admin"), backend="django.contrib.auth.backends.ModelBackend")
    assert browser.get("/api/models/").status_code == 200
    answer = browser.post("/api/models/", {"name": "new"})
    assert answer.status_code == 403
    assert "CSRF" in answer.json()["detail"]
    browser.cookies["csrftoken"] = "a" * 32
    assert browser.post("/api/models/", {"name": "new"}, headers={"X-CSRFToken": "a" * 32}).status_code == 201


def test_no_answer_is_kept_by_a_cache(admin_calls, environments):
    assert admin_calls.get("/api/keys/")["Cache-Control"] == "no-store"
