"""Smoke at weight 0: every gateway is asked for the known answer before a package gets its first share."""

from __future__ import annotations

import time

import httpx
import pytest

from releases import broker, reconciler, trial
from releases.actions.keys import internal_secret
from releases.strategies import STRATEGIES, Seen
from releases.tests.scenes import put_live, put_moving
from serving import exchange

REAL = httpx.Client


@pytest.fixture
def moving(environments, packages, redis):
    packages[1].answers = [42.0]
    packages[1].save()
    put_live(packages[0], environments["dev"])
    return put_moving(packages[1], environments["dev"])


def beat(*addresses: str, generation: int = 0) -> None:
    for number, address in enumerate(addresses):
        state = {"dev": exchange.EnvironmentState(generation)}
        exchange.put_heartbeat(
            broker.client(), exchange.Heartbeat(f"g{number}", "boot", 1, time.time(), state, 0, {}, address)
        )


def answering(monkeypatch, answers: dict) -> list[httpx.Request]:
    """Let gateways answer by their port: a status and a body, or an exception."""
    seen = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        answer = answers[request.url.port]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer[0], json=answer[1])

    monkeypatch.setattr(trial.httpx, "Client", lambda **more: REAL(transport=httpx.MockTransport(handle)))
    return seen


GOOD, WRONG = (200, {"predictions": [42.0]}), (200, {"predictions": [41.0]})


def test_each_gateway_is_asked_for_the_known_answer_as_a_pinned_package(moving, monkeypatch):
    beat("http://127.0.0.1:1", "http://127.0.0.1:2")
    seen = answering(monkeypatch, {1: GOOD, 2: GOOD})
    assert trial.smoke(moving) == {"smoke": "pass"}
    assert {request.url.port for request in seen} == {1, 2}
    assert seen[0].headers["X-Package"] == moving.package.digest
    assert seen[0].headers["Authorization"] == f"Bearer {internal_secret('dev')}"
    assert seen[0].url.path == "/dev/v1/models/flight-eta:predict"


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (WRONG, "fail"),
        ((500, {"error": "The model failed on this request."}), "fail"),
        ((404, {"error": "not loaded"}), "fail"),
        (httpx.ReadTimeout("slow"), "fail"),
        ((503, {"error": "busy"}), "hold"),
        ((429, {"error": "too many"}), "hold"),
        (httpx.ConnectError("refused"), "skip"),
    ],
)
def test_the_worst_gateway_decides(moving, monkeypatch, answer, verdict):
    beat("http://127.0.0.1:1", "http://127.0.0.1:2")
    answering(monkeypatch, {1: GOOD, 2: answer})
    found = trial.smoke(moving)["smoke"]
    assert found.startswith(f"{verdict}: http://127.0.0.1:2 ")


def test_what_names_no_machine_is_not_asked(moving, monkeypatch):
    beat("http://0.0.0.0:8100")
    answering(monkeypatch, {})
    assert trial.smoke(moving)["smoke"].startswith("skip: ")


def test_without_an_example_nothing_is_tried(moving, monkeypatch):
    moving.package.answers = []
    assert trial.smoke(moving) == {}


@pytest.mark.parametrize(("answer", "state", "weight"), [(GOOD, "shifting", 100.0), (WRONG, "failed", 0.0)])
def test_a_wrong_answer_keeps_the_traffic_where_it_is(moving, environments, monkeypatch, answer, state, weight):
    answering(monkeypatch, {1: answer})
    beat("http://127.0.0.1:1", generation=10)
    reconciler.reconcile(moving.pk)
    moving.refresh_from_db()
    assert (moving.state, moving.weight) == (state, weight)
    assert "known answer" in moving.note or "the intake saw 42.0" in moving.note


@pytest.mark.parametrize("name", ["blue_green", "canary"])
@pytest.mark.parametrize(
    ("smoke", "action"), [("pass", "shift"), ("skip: unknown", "shift"), ("hold: busy", "hold"), ("fail: no", "fail")]
)
def test_strategies_wait_for_it(name, smoke, action):
    seen = Seen(state="preparing", adopted=1, steps=((10.0, 60.0),), checks={"smoke": smoke})
    plan = STRATEGIES[name].plan(seen)
    assert plan.action == action
    assert smoke.partition(": ")[2] in plan.reason
