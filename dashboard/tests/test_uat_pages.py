"""The pages of user acceptance: the plan, the inbox, the sheet; who may, what is refused, and that nothing is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from dashboard.tests.test_promotions import text
from releases.models import Environment, MLModel, Package
from releases.tests.scenes import put_live
from testing.models import Attachment, PlanCase, Sheet
from testing.tests.conftest import Answers, answers, no_guesses  # noqa: F401 - fixtures
from testing.uat import signing

PASSWORD = "a long enough sentence 7"
PLAN = "/models/flight-eta/uat/"
CASE = {"title": "A long flight", "input-0": "10", "expectation": "person"}


@pytest.fixture
def qa(signed_in: Callable[[str], Client], person: Callable[[str], User]) -> Client:
    found = person("QA")
    client = signed_in("QA")
    found.set_password(PASSWORD)
    found.save()
    client.force_login(found)
    return client


@pytest.fixture
def sheet(qa: Client, packages: list[Package], environments: dict[str, Environment], answers: Answers) -> Sheet:  # noqa: F811
    put_live(packages[0], environments["staging"])
    put_live(packages[1], environments["production"])
    assert qa.post(f"{PLAN}new/", CASE).status_code == 302
    assert qa.post(f"{PLAN}start/", {"package": "1", "environment": "staging"}).status_code == 302
    return Sheet.objects.get()


def post(client: Client, sheet: Sheet, path: str, **fields: object) -> tuple[int, str]:
    answer = client.post(f"/uat/{sheet.pk}/{path}", fields)
    return answer.status_code, answer.content.decode()


def test_a_case_is_written_changed_and_removed(qa: Client, packages: list[Package]) -> None:
    assert "Add the first case" in text(qa.get(PLAN))
    assert qa.post(f"{PLAN}new/", CASE).status_code == 302
    case = PlanCase.objects.get()
    assert (case.title, case.row) == ("A long flight", {"distance": 10})
    assert "A long flight" in text(qa.get(PLAN))
    wrong = qa.post(f"{PLAN}{case.pk}/", CASE | {"expectation": "exact"})
    assert "Say which answer is expected." in text(wrong, 400)
    assert qa.post(f"{PLAN}{case.pk}/", CASE | {"title": "Another"}).status_code == 302
    assert "Take this case out" in text(qa.get(f"{PLAN}{case.pk}/remove/"))
    assert qa.post(f"{PLAN}{case.pk}/remove/").status_code == 302
    assert not PlanCase.objects.exists()


def test_only_qa_writes_the_plan(signed_in: Callable[[str], Client], packages: list[Package]) -> None:
    developer = signed_in("developer")
    assert "Add" not in text(developer.get(PLAN)).partition("<main")[2]
    assert developer.get(f"{PLAN}new/").status_code == 403
    assert developer.post(f"{PLAN}new/", CASE).status_code == 403


def test_a_model_without_a_package_has_no_form_yet(qa: Client, model: MLModel) -> None:
    assert "Register a package first" in text(qa.get(PLAN))
    assert qa.get(f"{PLAN}new/").status_code == 302


def test_a_sheet_shows_both_answers_and_takes_marks_notes_and_files(qa: Client, sheet: Sheet) -> None:
    case = sheet.cases.get()
    assert post(qa, sheet, "ask/")[0] == 302
    page = text(qa.get(f"/uat/{sheet.pk}/"))
    assert "Package 1, staging" in page
    assert "Package 2, production" in page
    assert "-10 (-50.00%)" in page
    code, said = post(qa, sheet, f"cases/{case.pk}/", mark="fail", note="")
    assert (code, "Say in the note what is wrong." in said) == (400, True)
    file = SimpleUploadedFile("seen.png", b"png")
    assert post(qa, sheet, f"cases/{case.pk}/", mark="pass", note="Fine.", file=file)[0] == 302
    assert "seen.png" in text(qa.get(f"/uat/{sheet.pk}/"))
    taken = qa.get(f"/uat/files/{Attachment.objects.get().pk}/")
    assert taken["Content-Disposition"] == 'attachment; filename="seen.png"'
    assert taken["Content-Type"] == "application/octet-stream"


def test_an_own_input_is_asked_kept_and_joins_the_plan(qa: Client, sheet: Sheet) -> None:
    assert post(qa, sheet, "own/", **{"title": "Mine", "input-0": "3"})[0] == 302
    own = sheet.cases.get(is_own=True)
    assert own.candidate["answer"] == 3
    assert "Add it to the plan" in text(qa.get(f"/uat/{sheet.pk}/"))
    assert post(qa, sheet, f"cases/{own.pk}/own/", into="plan")[0] == 302
    assert PlanCase.objects.count() == 2
    assert post(qa, sheet, f"cases/{own.pk}/own/")[0] == 409


def test_it_is_signed_with_the_password_and_the_statement(qa: Client, sheet: Sheet) -> None:
    case = sheet.cases.get()
    assert "are not done: A long flight" in text(qa.get(f"/uat/{sheet.pk}/"))
    assert post(qa, sheet, "sign/", statement="on", password=PASSWORD)[0] == 400
    post(qa, sheet, "ask/")
    post(qa, sheet, f"cases/{case.pk}/", mark="pass")
    code, said = post(qa, sheet, "sign/", statement="on", password="wrong")
    assert (code, "This is not your password." in said) == (400, True)
    assert post(qa, sheet, "sign/", password=PASSWORD)[0] == 400
    assert post(qa, sheet, "sign/", statement="on", password=PASSWORD)[0] == 302
    page = text(qa.get(f"/uat/{sheet.pk}/"))
    assert signing.STATEMENT in page
    assert "Signed by QA" in page
    assert post(qa, sheet, "ask/", case=case.pk)[0] == 409


def test_own_work_is_not_signed(qa: Client, sheet: Sheet, person: Callable[[str], User]) -> None:
    post(qa, sheet, "ask/")
    post(qa, sheet, f"cases/{sheet.cases.get().pk}/", mark="pass")
    Package.objects.filter(pk=sheet.package_id).update(created_by=person("QA"))
    assert "You registered package 1." in text(qa.get(f"/uat/{sheet.pk}/"))
    assert post(qa, sheet, "sign/", statement="on", password=PASSWORD)[0] == 403


def test_it_is_rejected_with_a_reason(qa: Client, sheet: Sheet) -> None:
    assert post(qa, sheet, "reject/")[0] == 400
    assert post(qa, sheet, "reject/", reason="Too slow.")[0] == 302
    assert "Too slow." in text(qa.get("/uat/"))
    assert "Look at this package again" in text(qa.get(f"/uat/{sheet.pk}/"))
    assert post(qa, sheet, "reject/", reason="Again.")[0] == 409


def test_another_plan_is_taken_over(qa: Client, sheet: Sheet) -> None:
    qa.post(f"{PLAN}new/", CASE | {"title": "One more"})
    assert "The plan has changed" in text(qa.get(f"/uat/{sheet.pk}/"))
    assert post(qa, sheet, "renew/")[0] == 302
    assert sheet.cases.count() == 2


@pytest.mark.parametrize("path", ["ask/", "own/", "sign/", "reject/", "renew/"])
def test_a_stranger_to_qa_changes_nothing(path: str, signed_in: Callable[[str], Client], sheet: Sheet) -> None:
    fields = {"statement": "on", "password": PASSWORD, "reason": "x", "input-0": "3"}
    assert signed_in("release manager").post(f"/uat/{sheet.pk}/{path}", fields).status_code == 403
    assert Sheet.objects.get().is_open


def test_a_stranger_to_qa_sees_the_sheet_without_forms(signed_in: Callable[[str], Client], sheet: Sheet) -> None:
    page = text(signed_in("viewer").get(f"/uat/{sheet.pk}/"))
    assert "A long flight" in page
    assert "Run all cases" not in page
    assert 'name="reason"' not in page


def test_what_is_not_there_is_404(qa: Client, sheet: Sheet) -> None:
    for path in ("/uat/99/", "/uat/files/99/", "/models/nobody/uat/"):
        assert qa.get(path).status_code == 404
    assert post(qa, sheet, "cases/99/", mark="pass")[0] == 404
