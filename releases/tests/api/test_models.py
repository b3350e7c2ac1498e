"""Models through the API."""

from __future__ import annotations

import pytest

from releases.models import AuditRow, MLModel, Package


def test_a_new_model_is_there_at_once(manager_calls, environments):
    made = manager_calls.post("/api/models/", {"name": "travel-time", "description": "distance / speed"}).json()
    assert made["created_by"] == "release-manager"
    assert manager_calls.get(made["url"]).json() == made


def test_a_model_that_exists_is_a_conflict(manager_calls, model):
    answer = manager_calls.post("/api/models/", {"name": "flight-eta"})
    assert (answer.status_code, answer.json()["legal"]) == (409, [])
    assert "already" in answer.json()["detail"]


def test_a_model_says_what_is_live_where(manager_calls, packages, make_live):
    make_live(packages[1], "dev")
    make_live(packages[0], "test")
    shown = manager_calls.get("/api/models/flight-eta/").json()
    assert (shown["packages"], shown["live"]) == (3, {"dev": 2, "test": 1})


def test_models_are_found_by_a_part_of_their_name(manager_calls, model):
    MLModel.objects.create(name="other")
    found = manager_calls.get("/api/models/?name=light").json()
    assert [row["name"] for row in found["results"]] == ["flight-eta"]


def test_a_diff_tells_each_thing_that_differs(manager_calls, packages):
    limits = {"constraints": {"distance": {"gt": 10}}}
    signature = {**packages[1].signature, "metadata": limits}
    other = {"digest": "sha256:" + "e" * 64, "signature": signature, "runtime": "sklearn", "versions": {"numpy": "2"}}
    Package.objects.filter(pk=packages[1].pk).update(**other)
    shown = manager_calls.get("/api/models/flight-eta/diff/?from=1&to=2").json()
    rows = {(row["part"], row["name"]): (row["from"], row["to"]) for row in shown["rows"]}
    assert rows[("package", "runtime")] == ("onnx", "sklearn")
    assert rows[("versions", "numpy")] == (None, "2")
    assert [end["gt"] for end in rows[("inputs", "distance")]] == [0, 10]
    assert shown["refuses"] == ["distance: the lower limit is tighter"]
    assert not shown["same"]


def test_a_package_does_not_differ_from_itself(manager_calls, packages):
    shown = manager_calls.get("/api/models/flight-eta/diff/?from=1&to=1").json()
    assert shown == {"from": 1, "to": 1, "same": True, "refuses": [], "rows": []}


def test_an_input_can_decide_who_gets_the_candidate(manager_calls, packages, make_live):
    make_live(packages[0], "dev")
    changed = manager_calls.patch("/api/models/flight-eta/", {"sticky": "distance", "tolerance": 0.005}).json()
    assert (changed["sticky"], changed["tolerance"], changed["risk"]) == ("distance", 0.005, "medium")
    table = manager_calls.get("/api/environments/dev/table/").json()["body"]
    assert table["routes"]["flight-eta"]["sticky"] == "distance"
    assert AuditRow.objects.filter(action="model.compare").count() == 1
    manager_calls.patch("/api/models/flight-eta/", {"sticky": "distance"})
    assert AuditRow.objects.filter(action="model.compare").count() == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"sticky": "customer"}, "has no input 'customer'. It has: distance."),
        ({"tolerance": -1}, "between 0 and 60 seconds"),
        ({"tolerance": "1"}, "must be a number"),
        ({"stick": "distance"}, "no such field"),
    ],
)
def test_how_packages_are_compared_is_checked(manager_calls, packages, make_live, body, words):
    make_live(packages[0], "dev")
    answer = manager_calls.patch("/api/models/flight-eta/", body)
    assert (answer.status_code, list(answer.json())) == (400, list(body))
    assert words in answer.json()[next(iter(body))][0]
