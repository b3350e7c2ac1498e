"""User acceptance: plans, sheets and signatures; whatever must not be signed is refused by the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from releases import gates
from releases.actions import releases as verbs
from releases.actions.gates import Asked, set_rule
from releases.errors import Conflict, Forbidden, Refused
from releases.models import AuditRow, Environment, Evidence, MLModel, Package, Release
from releases.tests.scenes import put_live
from testing.models import PlanCase, Sheet, SheetCase
from testing.tests.conftest import Answers
from testing.uat import inbox, plans, sheets, signing

Environments = dict[str, Environment]
Person = Callable[[str], User]
PASSWORD, STATEMENT = "a long enough sentence 7", signing.STATEMENT


def case(title: str = "A long flight", **values: Any) -> dict[str, Any]:
    return {"title": title, "row": {"distance": 10}} | values


@pytest.fixture
def qa(person: Person) -> User:
    found = person("QA")
    found.set_password(PASSWORD)
    found.save()
    return found


@pytest.fixture
def plan(model: MLModel, qa: User) -> list[PlanCase]:
    first = plans.add(actor=qa, model=model, values=case(expectation="range", least=5, most=50))
    return [first, plans.add(actor=qa, model=model, values=case("A short one"))]


@pytest.fixture
def asked(live: Package, environments: Environments, person: Person) -> Release:
    """Production asks for a signature in staging, and a release of package 1 waits for it."""
    place = environments["production"]
    set_rule(actor=person("admin"), environment=place, model=live.model, wants=[Asked("uat", "staging")])
    return verbs.promote(actor=person("release manager"), package=live, environment=place)


@pytest.fixture
def sheet(plan: list[PlanCase], live: Package, environments: Environments, qa: User, answers: Answers) -> Sheet:
    return sheets.start(actor=qa, package=live, environment=environments["staging"])


def finish(sheet: Sheet, qa: User, mark: str = "pass") -> None:
    for each in sheet.cases.all():
        sheets.ask(actor=qa, case=each)
        sheets.mark(actor=qa, case=each, mark=mark, note="seen")


def sign(sheet: Sheet, actor: User, password: str = PASSWORD, statement: str = STATEMENT) -> Sheet:
    return signing.sign(actor=actor, sheet=Sheet.objects.get(pk=sheet.pk), password=password, statement=statement)


def verdict(release: Release) -> str:
    assert release.package
    return next(g.verdict for g in gates.check(release.package, release.environment) if g.kind == "uat")


def test_a_signature_opens_the_gate_and_stands_for_ever(asked: Release, sheet: Sheet, qa: User) -> None:
    assert verdict(asked) == "hold"
    finish(sheet, qa)
    signed = sign(sheet, qa)
    assert (signed.state, signed.ended_by, signed.statement) == ("signed", qa, STATEMENT)
    assert verdict(asked) == "pass"
    row = Evidence.objects.get(kind="uat")
    assert (row.digest, row.environment_id, row.get_absolute_url()) == (
        sheet.digest,
        sheet.environment_id,
        f"/uat/{sheet.pk}/",
    )
    assert AuditRow.objects.filter(action="uat.sign", actor=qa).count() == 1


def test_a_sheet_tells_both_answers_of_every_case(
    sheet: Sheet, qa: User, packages: list[Package], environments: Environments
) -> None:
    put_live(packages[1], environments["production"])
    finish(sheet, qa)
    told = inbox.told(Sheet.objects.get(pk=sheet.pk))
    first = told["cases"][0]
    assert (first["candidate"]["answer"], first["candidate"]["package"]) == (10, 1)
    assert (first["live"]["answer"], first["live"]["package"]) == (20, 2)
    assert (first["meets"], first["mark"], first["marked_by"]) == (True, "pass", "QA")
    assert told["digest"] == sheet.digest


@pytest.mark.parametrize("role", ["viewer", "developer", "release manager"])
def test_who_is_no_qa_cannot_sign(role: str, sheet: Sheet, qa: User, person: Person) -> None:
    finish(sheet, qa)
    with pytest.raises(Forbidden, match="sign off"):
        sign(sheet, person(role))
    assert not Evidence.objects.filter(kind="uat").exists()


def test_nobody_signs_for_what_they_registered(sheet: Sheet, qa: User) -> None:
    finish(sheet, qa)
    Package.objects.filter(pk=sheet.package_id).update(created_by=qa)
    with pytest.raises(Forbidden, match="You registered package 1"):
        sign(sheet, qa)


def test_nobody_signs_for_a_release_they_asked_for(asked: Release, sheet: Sheet, qa: User) -> None:
    finish(sheet, qa)
    Release.objects.filter(pk=asked.pk).update(created_by=qa)
    with pytest.raises(Forbidden, match=f"You asked for release {asked.pk}"):
        sign(sheet, qa)


def test_a_wrong_password_signs_nothing_and_soon_none_does(sheet: Sheet, qa: User) -> None:
    finish(sheet, qa)
    for _ in range(signing.GUESSES):
        with pytest.raises(Refused, match="not your password") as error:
            sign(sheet, qa, "guess")
        assert error.value.field == "password"
    with pytest.raises(Refused, match="Too many"):
        sign(sheet, qa)
    assert Sheet.objects.get(pk=sheet.pk).is_open


def test_an_unconfirmed_statement_signs_nothing(sheet: Sheet, qa: User) -> None:
    finish(sheet, qa)
    with pytest.raises(Refused) as error:
        sign(sheet, qa, statement=" ")
    assert error.value.field == "statement"


def test_unfinished_cases_are_named(sheet: Sheet, qa: User) -> None:
    with pytest.raises(Refused, match="2 of 2 cases are not done: A long flight, A short one"):
        sign(sheet, qa)


def test_a_failed_case_can_only_be_rejected(sheet: Sheet, qa: User) -> None:
    finish(sheet, qa, "fail")
    with pytest.raises(Refused, match="can only be rejected"):
        sign(sheet, qa)


def test_a_sheet_without_cases_is_no_acceptance(
    live: Package, environments: Environments, qa: User, answers: Answers
) -> None:
    empty = sheets.start(actor=qa, package=live, environment=environments["staging"])
    with pytest.raises(Refused, match="no case on this sheet"):
        sign(empty, qa)


def test_another_plan_makes_the_sheet_stale_and_keeps_what_did_not_change(
    sheet: Sheet, plan: list[PlanCase], qa: User
) -> None:
    finish(sheet, qa)
    plans.change(actor=qa, case=plan[1], values={"look_at": "the minutes"})
    with pytest.raises(Conflict, match="plan has changed"):
        sign(sheet, qa)
    sheets.renew(actor=qa, sheet=Sheet.objects.get(pk=sheet.pk))
    assert [(each.title, each.mark) for each in sheet.cases.all()] == [("A long flight", "pass"), ("A short one", "")]
    finish(sheet, qa)
    assert sign(sheet, qa).state == "signed"


def test_another_plan_makes_a_signature_void(asked: Release, sheet: Sheet, qa: User, model: MLModel) -> None:
    finish(sheet, qa)
    sign(sheet, qa)
    plans.add(actor=qa, model=model, values=case("One more"))
    assert verdict(asked) == "hold"


def test_a_package_that_left_cannot_be_signed(
    sheet: Sheet, qa: User, packages: list[Package], environments: Environments
) -> None:
    finish(sheet, qa)
    put_live(packages[1], environments["staging"])
    with pytest.raises(Conflict, match="not live in staging any more"):
        sign(sheet, qa)


def test_other_bytes_cannot_be_signed(sheet: Sheet, qa: User) -> None:
    finish(sheet, qa)
    Package.objects.filter(pk=sheet.package_id).update(digest="sha256:other")
    with pytest.raises(Conflict, match="other bytes"):
        sign(sheet, qa)


def test_of_two_who_sign_one_does(sheet: Sheet, qa: User, person: Person) -> None:
    finish(sheet, qa)
    sign(sheet, qa)
    with pytest.raises(Conflict, match="was signed already"):
        sign(sheet, qa)
    assert Evidence.objects.filter(kind="uat").count() == 1


def test_reject_stops_what_waits_with_the_reason(asked: Release, sheet: Sheet, qa: User) -> None:
    signing.reject(actor=qa, sheet=sheet, reason="The minutes are wrong.")
    asked.refresh_from_db()
    assert asked.state == "aborted"
    assert asked.events.order_by("-id").first().reason == "Rejected by QA: The minutes are wrong."
    assert verdict(asked) == "fail"
    with pytest.raises(Conflict):
        sheets.ask(actor=qa, case=sheet.cases.first())


def test_reject_needs_a_reason_and_the_role(sheet: Sheet, qa: User, person: Person) -> None:
    with pytest.raises(Refused) as error:
        signing.reject(actor=qa, sheet=sheet, reason="")
    assert error.value.field == "reason"
    with pytest.raises(Forbidden):
        signing.reject(actor=person("developer"), sheet=sheet, reason="no")


def test_a_mark_is_for_the_answer_that_was_seen(sheet: Sheet, qa: User, answers: Answers) -> None:
    first = sheet.cases.first()
    with pytest.raises(Refused, match="Run the case first"):
        sheets.mark(actor=qa, case=first, mark="pass")
    sheets.ask(actor=qa, case=first)
    sheets.mark(actor=qa, case=first, mark="pass")
    assert sheets.ask(actor=qa, case=first).mark == "pass"
    answers.answer = lambda number, row: 11
    assert sheets.ask(actor=qa, case=first).mark == ""


@pytest.mark.parametrize(("mark", "meets", "note", "refused"), [
    ("pass", False, "", True), ("pass", False, "because", False), ("pass", True, "", False),
    ("fail", True, "", True), ("fail", True, "wrong", False), ("maybe", True, "", True),
])  # fmt: skip
def test_a_mark_against_the_expectation_needs_a_note(
    mark: str, meets: bool, note: str, refused: bool, sheet: Sheet, qa: User, answers: Answers
) -> None:
    answers.answer = lambda number, row: 10 if meets else 1000
    first = sheets.ask(actor=qa, case=sheet.cases.first())
    if not refused:
        assert sheets.mark(actor=qa, case=first, mark=mark, note=note).mark == mark
        return
    with pytest.raises(Refused):
        sheets.mark(actor=qa, case=first, mark=mark, note=note)


def test_no_answer_is_said_and_cannot_pass(sheet: Sheet, qa: User, answers: Answers) -> None:
    answers.down = "The model is off."
    first = sheets.ask(actor=qa, case=sheet.cases.first())
    assert first.candidate == {"error": "The model is off."}
    with pytest.raises(Refused, match="no answer"):
        sheets.mark(actor=qa, case=first, mark="pass")


def test_an_own_input_is_a_case_and_can_join_the_plan(sheet: Sheet, qa: User, model: MLModel) -> None:
    own = sheets.try_own(actor=qa, sheet=sheet, title="", row={"distance": 3})
    assert (own.title, own.is_own, own.candidate["answer"]) == ("Own input 1", True, 3)
    made = sheets.into_plan(actor=qa, case=own)
    assert made.row == {"distance": 3}
    assert plans.digest(model) == Sheet.objects.get(pk=sheet.pk).plan_digest
    with pytest.raises(Conflict):
        sheets.drop_own(actor=qa, case=SheetCase.objects.get(pk=own.pk))


def test_a_sheet_is_opened_once_and_gone_on_with(
    sheet: Sheet, live: Package, environments: Environments, person: Person
) -> None:
    assert sheets.start(actor=person("admin"), package=live, environment=environments["staging"]) == sheet


def test_only_what_answers_there_can_be_looked_at(
    packages: list[Package], environments: Environments, qa: User
) -> None:
    with pytest.raises(Conflict, match="not live"):
        sheets.start(actor=qa, package=packages[1], environment=environments["staging"])


def test_files_are_bounded_and_named_plainly(sheet: Sheet, qa: User) -> None:
    first = sheet.cases.first()
    made = sheets.attach(actor=qa, case=first, name="..\\..//etc/pass\x00wd.png", content=b"x")
    assert made.name == "passwd.png"
    for content in (b"", b"x" * (sheets.ATTACHMENT_BYTES + 1)):
        with pytest.raises(Refused) as error:
            sheets.attach(actor=qa, case=first, name="a", content=content)
        assert error.value.field == "file"


@pytest.mark.parametrize(("values", "field"), [
    ({"title": " "}, "title"), ({"title": "x" * 201}, "title"), ({"row": None}, "row"),
    ({"row": {"distance": "x" * 100_001}}, "row"), ({"expectation": "exact"}, "wanted"),
])  # fmt: skip
def test_a_case_that_cannot_be_is_refused_by_field(
    values: dict[str, Any], field: str, model: MLModel, qa: User
) -> None:
    with pytest.raises(Refused) as error:
        plans.add(actor=qa, model=model, values=case() | values)
    assert error.value.field == field


def test_the_inbox_holds_what_waits_for_a_signature(
    asked: Release, plan: list[PlanCase], qa: User, answers: Answers
) -> None:
    (item,) = inbox.waiting()
    assert (item.release, item.ready, item.sheet) == (asked, True, None)
    opened = sheets.start(actor=qa, package=item.package, environment=item.environment)
    assert inbox.waiting()[0].sheet == opened
    finish(opened, qa)
    sign(opened, qa)
    assert inbox.waiting() == []


def test_a_label_that_no_column_can_hold_is_shown_without_what_it_cannot(
    sheet: Sheet, qa: User, answers: Answers
) -> None:
    answers.answer = lambda number, row: {"label": "a\0b", "probabilities": {}}
    assert sheets.ask(actor=qa, case=sheet.cases.first()).candidate["answer"]["label"] == "ab"


def test_a_gateway_that_is_slow_does_not_hold_the_page_for_ever(sheet: Sheet, qa: User) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(sheets, "ASK_SECONDS", -1.0)
        assert sheets.ask_all(actor=qa, sheet=sheet) == 2
    assert sheets.ask_all(actor=qa, sheet=sheet) == 0
