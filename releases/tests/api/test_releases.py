"""Releases through the API: start, stop, roll back, and every state that forbids it."""

from __future__ import annotations

import pytest

from releases.models import AuditRow, Package, Release

WHY = {"reason": "errors went up"}


def start(client, package: int = 1, environment: str = "dev", **body):
    return client.post(
        "/api/releases/", {"model": "flight-eta", "package": package, "environment": environment, **body}
    )


def roll_back(client, **body):
    return client.post("/api/models/flight-eta/rollback/", {"environment": "dev", **WHY, **body})


def test_a_release_starts_and_can_be_followed(manager_calls, packages):
    made = start(manager_calls, reason="first one", strategy="recreate").json()
    assert (made["state"], made["strategy"], made["package"]) == ("waiting", "recreate", 1)
    assert made["digest"] == packages[0].digest
    assert [event["action"] for event in made["events"]] == ["create"]
    assert "abort" in made["legal"]
    assert made["actions"].keys() == {"abort", "rollback", "pause"}
    assert [gate["verdict"] for gate in made["gates"]] == ["pass"]
    assert manager_calls.get(made["url"]).json() == made


def test_a_release_can_wait_for_its_time(manager_calls, packages):
    made = start(manager_calls, start_at="2099-01-01T12:00:00+02:00").json()
    assert made["start_at"] == "2099-01-01T10:00:00Z"


def test_an_unknown_strategy_is_told_with_the_known_ones(manager_calls, packages):
    answer = start(manager_calls, strategy="hope")
    assert answer.status_code == 400
    assert "blue_green, canary, recreate" in answer.json()["strategy"][0]


def test_two_releases_at_once_are_a_conflict_with_the_legal_moves(manager_calls, packages):
    first = start(manager_calls).json()
    answer = start(manager_calls, 2)
    assert answer.status_code == 409
    assert f"Release {first['id']} is under way" in answer.json()["detail"]
    assert "abort" in answer.json()["legal"]


def test_what_is_live_is_not_released_again(manager_calls, packages, make_live):
    make_live(packages[0])
    assert "live in dev already" in start(manager_calls).json()["detail"]


def test_an_unmet_gate_is_a_conflict_that_says_where_to_go(manager_calls, packages):
    answer = start(manager_calls, environment="production")
    assert answer.status_code == 409
    assert "has not been live in staging" in answer.json()["detail"]
    assert answer.json()["legal"] == ["/models/flight-eta/promote/?package=1&environment=staging"]


def test_a_package_that_refuses_what_the_live_one_accepts_may_only_be_recreated(manager_calls, packages, make_live):
    make_live(packages[0])
    narrow = {**packages[1].signature, "metadata": {"constraints": {"distance": {"gt": 9}}}}
    Package.objects.filter(number=2).update(signature=narrow)
    answer = start(manager_calls, 2)
    assert (answer.status_code, answer.json()["legal"]) == (409, ["recreate"])
    assert start(manager_calls, 2, strategy="recreate").status_code == 201


def test_gates_tell_what_stands_in_the_way(manager_calls, packages, make_live):
    asked = "/api/gates/?model=flight-eta&package=1&environment=test"
    assert not manager_calls.get(asked).json()["met"]
    make_live(packages[0], "dev")
    shown = manager_calls.get(asked).json()
    assert (shown["met"], [gate["name"] for gate in shown["gates"]]) == (True, ["order", "intake"])


def test_a_stopped_release_cannot_be_stopped_again(manager_calls, packages):
    made = start(manager_calls).json()
    stopped = manager_calls.post(made["actions"]["abort"], WHY).json()
    assert (stopped["state"], stopped["note"], stopped["actions"]) == ("aborted", WHY["reason"], {})
    answer = manager_calls.post(made["actions"]["abort"], WHY)
    assert answer.json() == {"detail": "A release that is aborted cannot abort.", "legal": []}
    assert answer.status_code == 409


@pytest.mark.parametrize("body", [{}, {"reason": " "}, {"reason": "x" * 501}, {"reason": 1}])
def test_stopping_and_rolling_back_need_a_reason(body, manager_calls, packages):
    made = start(manager_calls).json()
    for action in ("abort", "rollback"):
        answer = manager_calls.post(made["actions"][action], body)
        assert (answer.status_code, *answer.json()) == (400, "reason")


def test_a_rollback_gives_the_traffic_back(manager_calls, packages, make_live):
    make_live(packages[0], retired_at="2026-01-01T00:00:00Z")
    live = make_live(packages[1])
    answer = roll_back(manager_calls, package=1)
    assert answer.status_code == 200
    back = answer.json()
    assert (back["package"], back["rolls_back"], back["state"]) == (1, live.pk, "shifting")
    assert manager_calls.get("/api/routes/?environment=dev").json()["results"][0]["live"] == 1
    assert AuditRow.objects.filter(action="release.create", reason=WHY["reason"]).exists()


def test_a_release_on_its_way_is_rolled_back_by_its_end(manager_calls, packages, make_live):
    make_live(packages[0])
    made = start(manager_calls, 2).json()
    ended = manager_calls.post(made["actions"]["rollback"], WHY).json()
    assert (ended["id"], ended["state"]) == (made["id"], "failed")
    assert manager_calls.get("/api/routes/").json()["results"][0]["live"] == 1


def test_only_the_release_that_decides_is_rolled_back(manager_calls, packages, make_live):
    old = make_live(packages[0], retired_at="2026-01-01T00:00:00Z")
    make_live(packages[1])
    answer = manager_calls.post(f"/api/releases/{old.pk}/rollback/", WHY)
    assert answer.status_code == 409
    assert "does not decide any more" in answer.json()["detail"]
    assert "rollback" not in manager_calls.get(f"/api/releases/{old.pk}/").json()["actions"]


def test_where_nothing_is_live_nothing_is_rolled_back(manager_calls, packages):
    assert roll_back(manager_calls).status_code == 409
    assert roll_back(manager_calls, package=9).json() == {"package": ["flight-eta has no package 9."]}


def test_the_first_package_is_rolled_back_to_off(manager_calls, packages, make_live):
    make_live(packages[0])
    assert roll_back(manager_calls).json()["legal"] == ["off"]
    back = roll_back(manager_calls, off=True).json()
    assert (back["package"], back["digest"], back["gates"]) == (None, None, [])
    assert manager_calls.get("/api/routes/").json()["results"][0]["live"] is None


def test_releases_are_found_by_each_filter(manager_calls, packages, make_live):
    make_live(packages[0], "dev")
    make_live(packages[1], "test")

    def found(query: str) -> list[int]:
        return [row["package"] for row in manager_calls.get(f"/api/releases/?{query}").json()["results"]]

    assert (
        found("") == found("model=flight-eta") == found("state=live") == found("since=2020-01-01T00:00:00Z") == [2, 1]
    )
    assert found("environment=dev") == found("package=1") == [1]
    assert found("model=other") == found("state=failed") == found("since=2099-01-01T00:00:00Z") == []


def test_routes_show_who_is_live_and_what_is_moving(manager_calls, packages, make_live):
    make_live(packages[0])
    made = start(manager_calls, 2).json()
    row = manager_calls.get("/api/routes/?model=flight-eta&environment=dev").json()["results"][0]
    assert (row["live"], row["previous"], row["release"]) == (1, None, made["id"])
    assert row["digest"] == packages[0].digest
    assert manager_calls.get("/api/routes/?model=other").json()["count"] == 0


def test_a_refused_call_leaves_nothing_behind(caller, packages):
    assert start(caller("viewer")).status_code == 403
    assert not Release.objects.exists()
