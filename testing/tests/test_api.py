"""Runs, settings and user acceptance by REST: who may, what is refused, and what comes back."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from releases.tests.api.conftest import caller  # noqa: F401 - a fixture
from testing import runner
from testing.models import Run, Sheet
from testing.tests.test_uat import PASSWORD, asked, plan, qa, sheet  # noqa: F401 - fixtures

WHERE = {"model": "flight-eta", "package": 1, "environment": "staging"}


def test_a_run_is_started_looked_at_cancelled_and_started_again(caller: Any, live: Any) -> None:  # noqa: F811
    api = caller("developer")
    made = api.post("/api/runs/", WHERE | {"kind": "smoke"}, format="json")
    assert made.status_code == 201, made.content
    number = made.json()["id"]
    assert api.get(f"/api/runs/{number}/").json()["state"] == "queued"
    assert api.post("/api/runs/", WHERE | {"kind": "smoke"}, format="json").status_code == 409
    assert api.post(f"/api/runs/{number}/again/").status_code == 409
    assert api.post(f"/api/runs/{number}/cancel/").json()["state"] == "cancelled"
    again = api.post(f"/api/runs/{number}/again/")
    assert (again.status_code, again.json()["state"]) == (201, "queued")
    assert api.get("/api/runs/", {"state": "cancelled"}).json()["count"] == 1
    assert api.get(f"/api/runs/{number}/junit/")["Content-Type"] == "application/xml"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "magic"}, "kind"),
        ({"kind": "smoke", "package": 9}, "package"),
        ({"kind": "smoke", "environment": "x"}, "environment"),
        ({}, "kind"),
    ],
)
def test_a_wrong_start_is_400_on_its_field(body: dict[str, Any], field: str, caller: Any, live: Any) -> None:  # noqa: F811
    answer = caller("developer").post("/api/runs/", WHERE | body, format="json")
    assert answer.status_code == 400
    assert field in answer.json()


def test_settings_are_an_admins_to_change(caller: Any, live: Any) -> None:  # noqa: F811
    path, values = "/api/models/flight-eta/suites/load/", {"values": {"rate": 50.0}}
    assert caller("developer").patch(path, values, format="json").status_code == 403
    assert caller("admin").patch(path, values, format="json").json()["values"] == {"rate": 50.0}
    wrong = caller("admin").patch(path, {"values": {"rate": -1}}, format="json")
    assert (wrong.status_code, list(wrong.json())) == (400, ["rate"])
    assert caller("admin").patch("/api/models/flight-eta/suites/magic/", values, format="json").status_code == 404


def test_every_suite_is_described(caller: Any) -> None:  # noqa: F811
    kinds = {each["kind"]: each["settings"] for each in caller("viewer").get("/api/suites/").json()}
    assert set(kinds) == {"unit", "integration", "smoke", "load", "stress", "rehearsal"}
    assert all({"name", "default", "words"} <= set(setting) for settings in kinds.values() for setting in settings)


def test_a_sheet_is_worked_on_and_signed(caller: Any, asked: Any, qa: Any, plan: Any, answers: Any) -> None:  # noqa: F811
    api = caller("QA")
    assert [each["package"] for each in api.get("/api/uat/").json()] == [1]
    number = api.post("/api/uat/sheets/", WHERE, format="json").json()["sheet"]
    cases = api.post(f"/api/uat/sheets/{number}/ask/").json()["cases"]
    own = api.post(f"/api/uat/sheets/{number}/own/", {"row": {"distance": 7}}, format="json").json()["cases"][-1]
    assert own["candidate"]["answer"] == 7
    for each in [*cases, own]:
        path = f"/api/uat/sheets/{number}/cases/{each['id']}/"
        assert api.patch(path, {"mark": "pass"}, format="json").status_code == 200
    file = SimpleUploadedFile("seen.png", b"png")
    attached = api.post(f"/api/uat/sheets/{number}/cases/{own['id']}/files/", {"file": file}, format="multipart")
    assert attached.json()["cases"][-1]["attachments"][0]["name"] == "seen.png"
    body = {"password": "wrong", "statement": "I looked at all of it."}
    assert list(api.post(f"/api/uat/sheets/{number}/sign/", body, format="json").json()) == ["password"]
    signed = api.post(f"/api/uat/sheets/{number}/sign/", body | {"password": PASSWORD}, format="json")
    assert (signed.status_code, signed.json()["state"], signed.json()["ended_by"]) == (200, "signed", "QA")
    assert api.get("/api/uat/").json() == []


def test_a_stranger_to_qa_works_on_no_sheet(caller: Any, sheet: Sheet) -> None:  # noqa: F811
    api = caller("developer")
    for path, body in (("ask", {}), ("own", {"row": {"distance": 1}}), ("reject", {"reason": "no"})):
        assert api.post(f"/api/uat/sheets/{sheet.pk}/{path}/", body, format="json").status_code == 403
    assert api.post("/api/models/flight-eta/uat/", {"title": "x", "row": {"a": 1}}, format="json").status_code == 403


def test_a_case_of_the_plan_is_made_changed_and_removed(caller: Any, live: Any) -> None:  # noqa: F811
    api, path = caller("QA"), "/api/models/flight-eta/uat/"
    made = api.post(path, {"title": "A flight", "row": {"distance": 5}}, format="json").json()
    changed = api.patch(
        f"{path}{made['id']}/", {"expectation": "tolerance", "wanted": "5", "tolerance": 1}, format="json"
    )
    assert (changed.status_code, changed.json()["title"], changed.json()["wanted"]) == (200, "A flight", "5")
    wrong = api.patch(f"{path}{made['id']}/", {"wanted": "five"}, format="json")
    assert (wrong.status_code, list(wrong.json())) == (400, ["wanted"])
    assert api.delete(f"{path}{made['id']}/").status_code == 204
    assert api.get(path).json() == []


def test_a_run_tells_its_cases_while_it_runs(caller: Any, queued: Run) -> None:  # noqa: F811
    found = runner.claim(queued.pk)
    assert found
    keeper = runner.Keeper(found, runner.Life(found.pk, found.attempts, 1e12))
    keeper.begins("the second case")
    body = caller("viewer").get(f"/api/runs/{queued.pk}/").json()
    assert (body["state"], body["at_work"]) == ("running", "the second case")
