"""Freezes by REST: made, looked at in advance, taken away."""

from __future__ import annotations

import pytest

ADDRESS = "/api/environments/staging/freezes/"
WEEKLY = {"name": "Payday", "cron": "0 18 * * 5", "minutes": 600, "zone": "Europe/Berlin"}


def test_one_is_made_seen_and_taken_away(manager_calls, environments):
    made = manager_calls.post(ADDRESS, WEEKLY)
    assert made.status_code == 201
    (freeze,) = made.json()["freezes"]
    assert {name: freeze[name] for name in WEEKLY} == WEEKLY
    seen = manager_calls.get(ADDRESS).json()
    assert 1 <= len(seen["windows"]) <= 3
    assert seen["windows"][0]["name"] == "Payday"
    assert manager_calls.delete(f"{ADDRESS}{freeze['id']}/").status_code == 204
    assert manager_calls.get(ADDRESS).json() == {"frozen": False, "windows": [], "freezes": []}
    assert manager_calls.delete(f"{ADDRESS}{freeze['id']}/").status_code == 404


def test_it_stands_among_the_gates(manager_calls, packages):
    body = {"name": "audit", "begins": "2020-01-01T00:00:00Z", "ends": "2999-01-01T00:00:00Z"}
    assert list(manager_calls.post(ADDRESS, body).json()) == ["ends"]
    always = {"name": "always", "cron": "* * * * *", "minutes": 5}
    assert manager_calls.post(ADDRESS, always).json()["frozen"]
    found = manager_calls.get("/api/gates/?model=flight-eta&package=1&environment=staging").json()
    assert [gate["verdict"] for gate in found["gates"] if gate["name"] == "freeze"] == ["hold"]


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "name"), ({"name": "x"}, "begins"), (WEEKLY | {"minutes": "60"}, "minutes"), (WEEKLY | {"zone": 1}, "zone")],
)
def test_what_makes_no_sense_is_refused_by_field(manager_calls, environments, body, field):
    answer = manager_calls.post(ADDRESS, body)
    assert (answer.status_code, list(answer.json())) == (400, [field])
