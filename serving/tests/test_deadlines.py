"""A caller's own deadline: what would come too late is not computed, and is not held against the model's deadline."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from serving.gateway.messages import Reply
from serving.gateway.pool import TICK_SECONDS, Package
from serving.gateway.protocols import PROTOCOLS
from serving.routing import Route, RouteTable
from serving.runtimes import Answer
from serving.tests.forms import package
from serving.tests.inside import Inside
from serving.tests.test_keys import CALLS

PATH, BODY = CALLS["v1"]


@pytest.fixture
def inside(store: Path, tmp_path: Path) -> Inside:
    return Inside(tmp_path, RouteTable("dev", 1, {"eta": Route("eta", (package(store, 1),))}, keyless=True))


def loaded(inside: Inside) -> Package:
    (found,) = inside.pool._loaded.values()
    return found


def slow(inside: Inside, seconds: float) -> list[float]:
    """Make the model need so long in its thread; returns the list in which each call notes its time."""
    found, calls = loaded(inside), list[float]()
    quick = found.runtime.predict

    def predict(batch: object) -> Answer:
        calls.append(time.monotonic())
        time.sleep(seconds)
        return quick(batch)

    found.runtime.predict, found.cost = predict, 2 * TICK_SECONDS
    return calls


def ask(inside: Inside, count: int = 1, **headers: str) -> list[Reply]:
    async def all_at_once() -> list[Reply]:
        return await asyncio.gather(*(inside.ask(PATH, BODY, **headers) for _ in range(count)))

    return asyncio.run(all_at_once())


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "soon", "1e3", "²", "9" * 10, " 5"])
def test_a_wrong_deadline_is_named(inside: Inside, name: str, text: str) -> None:
    reply = asyncio.run(inside.ask(*CALLS[name], x_deadline_ms=text))
    assert reply.status == 400
    assert b"X-Deadline-Ms must be a whole number of milliseconds" in reply.body
    assert reply.call is None


@pytest.mark.parametrize("name", PROTOCOLS)
def test_an_answer_within_the_deadline_is_as_ever(inside: Inside, name: str) -> None:
    reply = asyncio.run(inside.ask(*CALLS[name], x_deadline_ms="5000"))
    assert (reply.status, reply.call.deadline, reply.call.late) == (200, 5.0, "late")


def test_a_deadline_beyond_the_models_own_changes_nothing(inside: Inside) -> None:
    (reply,) = ask(inside, x_deadline_ms="60000")
    assert (reply.status, reply.call.deadline, reply.call.late) == (200, 10.0, "timeout")


def test_what_the_model_cannot_answer_in_time_is_not_even_tried(inside: Inside) -> None:
    calls = slow(inside, 0.0)
    loaded(inside).cost = 0.5
    (reply,) = ask(inside, x_deadline_ms="100")
    assert (reply.status, reply.call.outcome, calls) == (504, "late", [])


def test_what_waits_too_long_is_not_computed(inside: Inside) -> None:
    calls = slow(inside, 0.3)

    async def busy() -> list[Reply]:
        first = asyncio.create_task(inside.ask(PATH, BODY))
        while not calls:
            await asyncio.sleep(0.005)
        hasty = await asyncio.gather(*(inside.ask(PATH, BODY, x_deadline_ms="50") for _ in range(3)))
        return [await first, *hasty]

    first, *hasty = asyncio.run(busy())
    assert first.status == 200
    assert {(reply.status, reply.call.outcome) for reply in hasty} == {(504, "late")}
    assert len(calls) == 1


def test_a_late_answer_is_an_error_of_its_own_kind_and_keeps_its_age(inside: Inside) -> None:
    recorder = inside.recorder
    (reply,) = ask(inside, x_deadline_ms="5000")
    reply.call.began -= 6
    recorder.finish(reply.call)
    series = reply.call.line.series
    assert series.errors == {"late": 1}
    assert max(series.latency) < 939
