"""Environments and their tables through the API."""

from __future__ import annotations

from datetime import timedelta

from releases import routes
from releases.models import AuditRow, Environment, PublishedTable
from releases.tests.scenes import put_live


def names(client) -> list[str]:
    return [row["name"] for row in client.get("/api/environments/").json()["results"]]


def test_a_copy_takes_the_settings_and_stands_where_it_was_asked(admin_calls, environments):
    Environment.objects.filter(name="staging").update(watch_seconds=60)
    made = admin_calls.post("/api/environments/", {"name": "pilot", "copy_of": "staging", "before": "production"})
    assert made.status_code == 201
    assert (made.json()["watch_seconds"], made.json()["copied_from"], made.json()["position"]) == (60, "staging", 4)
    assert names(admin_calls) == ["dev", "test", "staging", "pilot", "production"]


def test_a_copy_can_bring_what_is_live_and_stands_before_the_last_unless_asked(admin_calls, environments, packages):
    for name in ("staging", "production"):
        put_live(packages[0], environments[name])
    admin_calls.post("/api/environments/", {"name": "perf", "copy_of": "production", "packages": True})
    assert names(admin_calls)[-2:] == ["perf", "production"]
    rows = admin_calls.get("/api/releases/?environment=perf").json()["results"]
    assert [(row["package"], row["state"]) for row in rows] == [(1, "waiting")]
    admin_calls.post("/api/environments/", {"name": "beyond", "last": True})
    assert names(admin_calls)[-1] == "beyond"


def test_a_wrong_environment_is_told_by_its_field(admin_calls, environments):
    def field(**body) -> list[str]:
        answer = admin_calls.post("/api/environments/", body)
        assert answer.status_code == 400, answer.content
        return list(answer.json())

    assert field() == field(name="Not a name") == field(name="v1") == field(name="dev") == ["name"]
    assert field(name="new", copy_of="nowhere") == ["copy_of"]
    assert field(name="new", before="nowhere") == ["before"]
    assert field(name="new", default_strategy="hope") == ["default_strategy"]
    assert field(name="new", requests_per_second=0) == ["requests_per_second"]
    assert field(name="new", watch_seconds=-1) == ["watch_seconds"]
    for wrong in ("true", 1, None, [], {}):
        assert field(name="new", keyless=wrong) == ["keyless"]
    assert field(name="new", position=1) == ["position"]
    assert names(admin_calls) == ["dev", "test", "staging", "production"]


def test_a_change_is_written_down_with_old_and_new(admin_calls, environments):
    answer = admin_calls.patch("/api/environments/test/", {"requests_per_second": 50, "keyless": True})
    assert (answer.json()["requests_per_second"], answer.json()["keyless"]) == (50, True)
    assert AuditRow.objects.get(action="environment.change").details["requests_per_second"] == [None, 50]
    assert admin_calls.patch("/api/environments/test/", {"requests_per_second": None}).json()["keyless"] is True


def test_a_name_is_never_changed(admin_calls, environments):
    assert admin_calls.patch("/api/environments/dev/", {"name": "new"}).json().keys() == {"name"}


def test_an_empty_change_changes_nothing(admin_calls, environments):
    assert admin_calls.patch("/api/environments/dev/", {}).status_code == 200
    assert not AuditRow.objects.filter(action="environment.change").exists()


def test_the_order_names_each_environment_once(admin_calls, environments):
    order = ["test", "dev", "staging", "production"]
    answer = admin_calls.post("/api/environments/order/", {"names": order})
    assert [row["name"] for row in answer.json()] == order
    for wrong in (order[:3], [*order, "dev"], [*order[:3], "prod"], [], [1], "dev", None):
        answer = admin_calls.post("/api/environments/order/", {"names": wrong})
        assert (answer.status_code, *answer.json()) == (400, "names"), wrong
    assert names(admin_calls) == order


def test_an_environment_with_a_history_is_not_deleted(admin_calls, packages, make_live):
    make_live(packages[0], "dev")
    assert admin_calls.delete("/api/environments/dev/").status_code == 409
    assert admin_calls.delete("/api/environments/staging/").status_code == 204
    assert admin_calls.get("/api/environments/staging/").status_code == 404


def test_what_was_live_at_a_time_is_one_question(admin_calls, environments):
    admin_calls.patch("/api/environments/dev/", {"keyless": False})
    first, second = PublishedTable.objects.filter(environment__name="dev").order_by("generation")
    PublishedTable.objects.filter(pk=first.pk).update(at=second.at - timedelta(hours=2))

    def at(moment) -> list[int]:
        address = f"/api/environments/dev/tables/?at={moment:%Y-%m-%dT%H:%M:%S.%fZ}"
        return [row["generation"] for row in admin_calls.get(address).json()["results"]]

    assert at(second.at) == [2]
    assert at(second.at - timedelta(hours=1)) == [1]
    assert at(second.at - timedelta(hours=3)) == []
    every = admin_calls.get("/api/environments/dev/tables/").json()
    assert [row["generation"] for row in every["results"]] == [2, 1]
    assert admin_calls.get("/api/environments/dev/table/").json() == every["results"][0]


def test_a_table_is_shown_without_the_hashes_of_keys_and_without_slipways_own(admin_calls, environments):
    assert admin_calls.get("/api/environments/dev/table/").json()["body"]["keys"] == []
    issued = admin_calls.post("/api/keys/", {"environment": "dev", "name": "client"}).json()
    (shown,) = admin_calls.get("/api/environments/dev/table/").json()["body"]["keys"]
    assert shown["prefix"] == issued["prefix"]
    assert not {"hash", "internal"} & shown.keys()


def test_adoption_counts_the_gateways(admin_calls, gateway, environments):
    routes.send_all()
    gateway.adopt()
    shown = admin_calls.get("/api/environments/dev/adoption/").json()
    assert shown == {
        "generation": 1,
        "known": True,
        "gateways": 1,
        "adopted": 1,
        "complete": True,
        "troubles": [],
    }
