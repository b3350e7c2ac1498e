"""A canary by REST: started with steps, steered, looked at, judged again; and a plan before it starts."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from releases import judging
from releases.models import Count, Judgement
from releases.tests.test_judging import STEPS, Counter, began, canary, look  # noqa: F401 - canary is a fixture

BODY = {"model": "flight-eta", "package": 2, "environment": "dev", "strategy": "canary"}
MANY = [{"weight": weight, "seconds": seconds} for weight, seconds in STEPS]


def test_a_canary_starts_with_its_steps(manager_calls, packages, make_live):
    make_live(packages[0], "dev")
    made = manager_calls.post("/api/releases/", BODY | {"steps": MANY}).json()
    assert made["plan"] == {"steps": [[10.0, 60.0], [50.0, 60.0]]}
    assert made["strategy"] == "canary"


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([], "1 to 20 steps"),
        ([{"weight": 5, "seconds": 60}, {"weight": 1, "seconds": 60}], "higher than the one before"),
        ([{"weight": "5", "seconds": 60}], "must be a number"),
        ([{"weight": 5}], "required"),
    ],
)
def test_steps_that_make_no_sense_are_refused_by_field(manager_calls, packages, make_live, steps, words):
    make_live(packages[0], "dev")
    answer = manager_calls.post("/api/releases/", BODY | {"steps": steps})
    assert answer.status_code == 400
    assert words in str(answer.json()["steps"])


def test_it_is_steered_and_says_what_can_be_done(manager_calls, canary):  # noqa: F811
    address = f"/api/releases/{canary.pk}/"
    shown = manager_calls.get(address).json()
    assert {"abort", "rollback", "pause", "weight", "steps", "promote"} == shown["actions"].keys()
    assert manager_calls.post(shown["actions"]["weight"], {"weight": 20, "reason": "more"}).json()["weight"] == 20
    paused = manager_calls.post(shown["actions"]["pause"], {}).json()
    assert paused["paused_at"]
    assert "resume" in paused["actions"]
    assert manager_calls.post(f"{address}pause/", {}).status_code == 409
    assert manager_calls.post(f"{address}resume/", {}).json()["paused_at"] is None
    wrong = manager_calls.post(f"{address}weight/", {"weight": 100})
    assert (wrong.status_code, list(wrong.json())) == (400, ["weight"])
    assert manager_calls.post(f"{address}promote/", {}).json() == {"reason": ["This field is required."]}
    assert manager_calls.post(f"{address}promote/", {"reason": "known good"}).json()["weight"] == 100


def test_what_the_judge_found_can_be_read_and_asked_again(manager_calls, canary, gateway):  # noqa: F811
    Counter(canary).run(began(canary), 20, 0.1, faulty=0.02)
    gateway.adopt()
    judging.advance(canary)
    address = f"/api/releases/{canary.pk}/"
    judge = manager_calls.get(f"{address}judge/").json()
    assert judge["settings"]["alpha"] == 0.05
    assert judge["verdict"]["requests"] > 0
    rows = manager_calls.get(f"{address}verdicts/?page_size=5").json()
    assert [row["number"] for row in rows["results"]] == [0, 1, 2, 3, 4]
    later = manager_calls.get(f"{address}verdicts/?after=4&page_size=1").json()
    assert later["results"][0]["number"] == 5
    again = manager_calls.post(f"{address}what-if/", {}).json()
    assert again["same"]
    assert again["verdict"]["evidence"] == pytest.approx(judge["verdict"]["evidence"], rel=1e-9)
    wrong = manager_calls.post(f"{address}what-if/", {"alpha": 2})
    assert wrong.status_code == 400
    assert "alpha must lie between 1e-15 and 1" in str(wrong.json())
    assert manager_calls.post(f"{address}what-if/", {"hope": 2}).status_code == 400
    assert Judgement.objects.get(release=canary).settings["alpha"] == 0.05


def test_a_release_that_was_not_judged_says_so(manager_calls, packages, make_live):
    release = make_live(packages[0], "dev")
    answer = manager_calls.get(f"/api/releases/{release.pk}/judge/")
    assert answer.status_code == 404
    assert "was not judged" in answer.json()["detail"]


def count(model, starts: int, errors: int) -> None:
    Count.objects.create(
        seconds=Count.MINUTE,
        at=timezone.now() - timedelta(seconds=time.time() % 60 + 3600),
        environment="dev",
        model=model.name,
        package="sha256:1",
        arm="stable",
        mode="rest",
        protocol="v1",
        starts=starts,
        completions=starts,
        errors={"model": errors},
    )


def test_a_plan_says_what_would_be_found_and_when(manager_calls, packages):
    empty = manager_calls.get("/api/plan/?model=flight-eta&environment=dev").json()
    assert (empty["rate"], empty["sentences"], empty["least"]) == (0, [], None)
    assert "No traffic" in empty["warning"]
    count(packages[0].model, 200_000, 1000)
    plan = manager_calls.get("/api/plan/?model=flight-eta&environment=dev&steps=5:60").json()
    assert plan["rate"] == pytest.approx(200_000 / 3660, rel=0.05)
    assert plan["base"] == pytest.approx(0.005)
    assert "from 0.5 % to 1 % is found within about" in plan["sentences"][0]
    assert 0.005 < plan["least"] < 0.05


@pytest.mark.parametrize("steps", ["5", "5:x", "x:5", "5:10,4:10", "200:1", ":", "5:10:2", "nan:nan"])
def test_steps_that_cannot_be_read_are_refused_with_an_example(manager_calls, packages, steps):
    answer = manager_calls.get("/api/plan/", {"model": "flight-eta", "environment": "dev", "steps": steps})
    assert (answer.status_code, list(answer.json())) == (400, ["steps"])


def test_its_steps_are_changed_while_it_runs_and_its_share_stays(manager_calls, canary):  # noqa: F811
    address = f"/api/releases/{canary.pk}/steps/"
    given = [{"weight": 5, "seconds": 60}, {"weight": 8, "seconds": 300}, {"weight": 60, "seconds": 600}]
    changed = manager_calls.post(address, {"steps": given, "reason": "slower"}).json()
    assert changed["plan"]["steps"] == [[5.0, 60.0], [8.0, 300.0], [60.0, 600.0]]
    # It has 10 %: beyond 8, not yet at 60.
    assert (changed["weight"], changed["step"]) == (10, 2)
    assert changed["events"][-1]["action"] == "steps"
    wrong = manager_calls.post(address, {"steps": [{"weight": 50, "seconds": 60}, {"weight": 5, "seconds": 60}]})
    assert (wrong.status_code, list(wrong.json())) == (400, ["steps"])
    manager_calls.post(f"/api/releases/{canary.pk}/promote/", {"reason": "known good"})
    late = manager_calls.post(address, {"steps": given})
    assert late.status_code == 409
    assert "before its last step" in late.json()["detail"]


def test_a_canary_that_waits_takes_other_steps_too(manager_calls, packages, make_live):
    make_live(packages[0], "dev")
    soon = (timezone.now() + timedelta(hours=1)).isoformat()
    made = manager_calls.post("/api/releases/", BODY | {"steps": MANY, "start_at": soon}).json()
    assert set(made["actions"]) == {"abort", "rollback", "pause", "steps"}
    changed = manager_calls.post(made["actions"]["steps"], {"steps": [{"weight": 25, "seconds": 60}]}).json()
    assert (changed["plan"]["steps"], changed["step"], changed["state"]) == ([[25.0, 60.0]], 0, "waiting")
