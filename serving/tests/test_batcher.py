"""Requests that share a call: each has its own answer, whatever becomes of the others."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

from serving.contract import Batch
from serving.gateway.batcher import Flights, Ticks, Waiting
from serving.metrics.recorder import Call
from serving.metrics.series import Line
from serving.runtimes import Answer

pytestmark = pytest.mark.same_everywhere


def batch(*numbers: float) -> Batch:
    return Batch(len(numbers), {"x": np.array(numbers)})


def call() -> Call:
    return Call(Line("dev", ("eta", 1, "stable", "", "rest", "v1")), 0.0, 10.0)


Then = Callable[[Answer | Exception], object]


class One(Waiting):
    """A request whose answer goes to `found`."""

    def __init__(self, rows: Batch, then: Then) -> None:
        super().__init__(call())
        self.batch, self.then = rows, then

    def found(self, found: Answer | Exception) -> None:
        self.then(found)


def ask(ticks: Ticks, *asked: tuple[Batch, Then]) -> None:
    async def turn() -> None:
        for rows, then in asked:
            ticks.ask(One(rows, then))
        for _ in range(len(asked) + 1):
            await asyncio.sleep(0)

    asyncio.run(turn())


def doubled(calls: list[int], rows: Batch) -> Answer:
    calls.append(rows.rows)
    return Answer(values=rows.columns["x"] * 2)


def test_requests_of_one_turn_share_a_call_and_each_has_its_rows() -> None:
    calls: list[int] = []
    found: list[list[float]] = []
    take: Then = lambda answer: found.append(answer.plain())  # type: ignore[union-attr]  # noqa: E731
    ask(Ticks(lambda rows: doubled(calls, rows)), (batch(1), take), (batch(2, 3), take), (batch(4), take))
    assert (calls, found) == ([4], [[2.0], [4.0, 6.0], [8.0]])


def test_a_call_holds_as_many_rows_as_it_may() -> None:
    calls: list[int] = []
    ticks = Ticks(lambda rows: doubled(calls, rows))
    ticks.rows = 2
    ask(ticks, *[(batch(1), print)] * 5)
    assert calls == [2, 2, 1]


def test_who_cannot_take_an_answer_keeps_nobody_else_from_theirs(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: Answer | Exception) -> None:
        raise BrokenPipeError

    found: list[Answer | Exception] = []
    with caplog.at_level(logging.ERROR):
        ask(Ticks(lambda rows: doubled([], rows)), (batch(1), broken), (batch(2), found.append))
    assert [answer.plain() for answer in found if isinstance(answer, Answer)] == [[4.0]]
    assert "could not be handed over" in caplog.text


def test_a_process_that_stood_still_does_not_refuse_for_long() -> None:
    async def flight(seconds: float) -> None:
        flights._land(asyncio.get_running_loop(), [], [], 0.0, seconds)

    with ThreadPoolExecutor(1) as worker:
        flights = Flights(lambda rows: doubled([], rows), worker)
        for seconds in (0.01, 0.01, 30.0):
            asyncio.run(flight(seconds))
        assert flights._seconds < 0.05


def test_who_calls_again_at_once_shares_every_call_with_the_others() -> None:
    calls: list[int] = []

    def slow(rows: Batch) -> Answer:
        time.sleep(0.02)
        return doubled(calls, rows)

    async def clients() -> None:
        flights, left, done = Flights(slow, worker), [10] * 8, asyncio.Event()

        def again(client: int, _: Answer | Exception | None = None) -> None:
            left[client] -= 1
            if left[client] >= 0:
                flights.ask(One(batch(1.0), partial(again, client)), 10.0)
            elif max(left) < 0:
                done.set()

        again(0)
        await asyncio.sleep(0.01)
        for client in range(1, 8):
            again(client)
        await done.wait()

    with ThreadPoolExecutor(1) as worker:
        asyncio.run(clients())
    assert sum(calls) == 80
    assert calls[:2] == [1, 8], calls
    assert calls.count(8) >= 9, calls


def test_a_flight_that_nobody_saw_leave_is_not_waited_for() -> None:
    """An event loop may end while the next flight looks out for its callers."""
    answers: list[Answer | Exception] = []

    async def one() -> None:
        answered = asyncio.Event()

        def take(answer: Answer | Exception) -> None:
            answers.append(answer)
            answered.set()

        flights.ask(One(batch(1.0), take), 10.0)
        await answered.wait()

    with ThreadPoolExecutor(1) as worker:
        flights = Flights(lambda rows: doubled([], rows), worker)
        flights._seconds = 0.2
        for _ in range(3):
            asyncio.run(one())
    assert [answer.plain() for answer in answers if isinstance(answer, Answer)] == [[2.0]] * 3
