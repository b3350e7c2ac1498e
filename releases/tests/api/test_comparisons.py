"""A shadow by REST: started, looked at, ended; inputs only for who may see them."""

from __future__ import annotations

import pytest
from django.utils import timezone

from releases.tests.test_shadows import found, live, look, shadow  # noqa: F401 - fixtures
from serving.tally import Largest

BODY = {"model": "flight-eta", "package": 2, "environment": "staging", "strategy": "shadow"}


def test_it_starts_with_its_share_and_its_end(manager_calls, live):  # noqa: F811
    answer = manager_calls.post("/api/releases/", BODY | {"share": 20, "pairs": 500, "seconds": 600})
    made = answer.json()
    assert answer.status_code == 201
    assert (made["strategy"], made["plan"]["share"], made["plan"]["pairs"]) == ("shadow", 20, 500)
    assert made["plan"]["rule"] == {"limit": 0.01, "pairs": 2000, "atol": 0.0, "rtol": 0.05}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (BODY | {"share": 0}, "share"),
        (BODY | {"pairs": "many"}, "pairs"),
        (BODY | {"steps": [{"weight": 1, "seconds": 1}]}, "steps"),
        (BODY | {"strategy": "blue_green", "share": 5}, "share"),
    ],
)
def test_what_makes_no_sense_is_refused_by_field(manager_calls, live, body, field):  # noqa: F811
    answer = manager_calls.post("/api/releases/", body)
    assert (answer.status_code, list(answer.json())) == (400, [field])


def test_what_it_found_can_be_read_and_it_can_be_ended(manager_calls, caller, shadow):  # noqa: F811
    viewer_calls = caller("viewer")
    kept = Largest(apart=1.0, at=0.0, id="r", inputs={"distance": 500}, live=1, shadow=2)
    values = {"segments": {"origin": {"JFK": [30, 10], "LGA": [30, 0]}}, "live_times": {100: 60}, "largest": [kept]}
    found(shadow, pairs=60, agreed=50, at=timezone.now().timestamp() + 10, **values)
    look(shadow)
    address = f"/api/releases/{shadow.pk}/"
    seen = manager_calls.get(f"{address}comparison/").json()
    assert (seen["pairs"], seen["disagreed"], seen["verdict"]) == (60, 10, "fail")
    assert seen["segments"] == [{"field": "origin", "value": "JFK", "pairs": 30, "disagreed": 10, "rate": 10 / 30}]
    assert seen["largest"][0]["inputs"] == {"distance": 500}
    assert viewer_calls.get(f"{address}comparison/").json()["largest"][0]["inputs"] == {}
    assert seen["seconds"]["live"]["p50"] > 0
    assert seen["seconds"]["shadow"]["p50"] is None
    shown = manager_calls.get(address).json()
    assert {"abort", "pause", "end"} == shown["actions"].keys()
    assert viewer_calls.post(shown["actions"]["end"], {}).status_code == 403
    assert manager_calls.post(shown["actions"]["end"], {"reason": "enough"}).json()["state"] == "compared"
    assert manager_calls.post(f"{address}end/", {}).status_code == 409


def test_another_release_has_no_comparison(manager_calls, packages, make_live):
    release = make_live(packages[0], "dev")
    assert manager_calls.get(f"/api/releases/{release.pk}/comparison/").status_code == 404
    assert manager_calls.post(f"/api/releases/{release.pk}/end/", {}).status_code == 409


def test_when_answers_agree_is_a_setting_of_the_model(manager_calls, model):
    answer = manager_calls.patch("/api/models/flight-eta/", {"agreement": {"limit": 0.02, "rtol": 0.1}})
    assert answer.json()["agreement"] == {"limit": 0.02, "pairs": 2000, "atol": 0.0, "rtol": 0.1}
    wrong = manager_calls.patch("/api/models/flight-eta/", {"agreement": {"limit": 2}})
    assert (wrong.status_code, list(wrong.json())) == (400, ["agreement"])
