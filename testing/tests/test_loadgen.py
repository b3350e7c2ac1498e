"""The generator keeps to its schedule whatever the server does, and counts from the intended moments."""

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from serving.metrics.histogram import edge
from testing import loadgen
from testing.loadgen import Call, Limits, Outcome, Tally
from testing.loadgen.run import said

RATES = st.floats(0.1, 500)
SECONDS = st.floats(0.01, 3)
Handler = Callable[[web.Request], Awaitable[web.Response]]


@given(RATES, SECONDS)
def test_a_constant_schedule_sends_at_equal_distances_and_at_its_rate(rate, seconds):
    moments = list(loadgen.constant(rate, seconds))
    assert moments[0] == 0
    assert all(moment == number / rate for number, moment in enumerate(moments))
    assert len(moments) == pytest.approx(rate * seconds, abs=1.001)


@given(RATES, SECONDS, st.integers())
def test_a_poisson_schedule_ascends_stays_inside_and_repeats_for_its_seed(rate, seconds, seed):
    moments = list(loadgen.poisson(rate, seed, seconds))
    assert moments == sorted(moments) == list(loadgen.poisson(rate, seed, seconds))
    assert all(0 <= moment < seconds for moment in moments)


def test_a_poisson_schedule_has_its_rate_on_average_and_gaps_as_long_as_they_vary():
    moments = list(loadgen.poisson(100, seed=1, seconds=200))
    gaps = [after - before for before, after in itertools.pairwise(moments)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert len(moments) == pytest.approx(20_000, rel=0.03)
    assert deviation == pytest.approx(mean, rel=0.05)


def test_a_schedule_without_an_end_goes_on():
    assert len(list(itertools.islice(loadgen.constant(1000), 5000))) == 5000


@pytest.mark.parametrize("rate", [0, -1, float("inf"), float("nan")])
def test_a_rate_that_is_not_above_nought_is_refused(rate):
    with pytest.raises(ValueError, match="above 0"):
        loadgen.constant(rate)


MOMENTS = st.floats(0, 100)
KINDS = st.sampled_from([None, "status 503", "timeout", "connection", "unsent", "stopped"])
OUTCOMES = st.builds(
    lambda at, lag, wait, work, error: Outcome(at, at + lag, at + lag + wait, at + lag + wait + work, error=error),
    MOMENTS, st.floats(0, 1), st.floats(0, 1), st.floats(0, 10), KINDS,
)  # fmt: skip


@given(st.lists(OUTCOMES, max_size=50))
def test_every_request_is_counted_exactly_once(outcomes):
    tally = Tally()
    for outcome in outcomes:
        tally.observe(outcome, late_after=0.01)
    assert tally.finished + tally.unsent == len(outcomes) == tally.answered + tally.failed
    assert sum(tally.latency.values()) == sum(o.error in (None, "status 503", "timeout") for o in outcomes)
    assert sum(tally.latency.values()) == sum(tally.service.values())
    assert json.loads(json.dumps(tally.to_json()))["finished"] == tally.finished


@given(OUTCOMES)
def test_latency_is_never_less_than_service_time(outcome):
    assert outcome.latency >= outcome.service


@given(st.floats(0, 1), st.floats(0, 0.5))
def test_a_request_is_late_by_the_moment_of_its_sending(wait, limit):
    tally = Tally()
    outcome = Outcome(1.0, 1.0, 1.0 + wait, 3.0)
    tally.observe(outcome, limit)
    assert tally.late == (outcome.sent - outcome.intended > limit)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'{"error": "distance must be above 0"}', "distance must be above 0"),
        (b"Bad gateway", "Bad gateway"),
        (b'["x"]', '["x"]'),
        (b"\xff", "\ufffd"),
    ],
)
def test_the_servers_own_sentence_is_kept(body, sentence):
    assert said(body) == sentence


@asynccontextmanager
async def serving(handler: Handler):
    app = web.Application()
    app.router.add_post("/", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


def loaded(handler: Handler, schedule, limits: Limits | None = None, **more) -> loadgen.Result:
    async def work() -> loadgen.Result:
        async with serving(handler) as url:
            return await loadgen.run(schedule, itertools.repeat(Call(url, b"{}")), limits=limits, **more)

    return loadgen.drive(work())


def over(histogram: dict[int, int], seconds: float) -> int:
    return sum(count for number, count in histogram.items() if edge(number) > seconds)


async def quick(request: web.Request) -> web.Response:
    return web.json_response({}, headers={"X-Package": "2"})


def test_a_stall_of_200_ms_is_seen_by_all_requests_that_were_due_in_it():
    arrivals = itertools.count()

    async def stalling(request: web.Request) -> web.Response:
        if next(arrivals) == 40:
            await asyncio.sleep(0.2)
        return web.json_response({})

    # One connection, as a closed generator would have: while it stalls nothing else can be asked.
    result = loaded(stalling, loadgen.constant(200, 0.6), Limits(connections=1))
    assert result.totals.answered == 120
    assert 1 <= over(result.totals.service, 0.1) <= 3  # what coordinated omission shows: one bad request
    assert over(result.totals.latency, 0.1) >= 18  # what clients met: of the 40 due in the stall, half wait over 100 ms
    assert result.totals.late >= 35


def test_a_stall_does_not_change_the_moments_of_sending():
    arrived: list[float] = []

    async def stalling(request: web.Request) -> web.Response:
        arrived.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0.2 if len(arrived) < 40 else 0)
        return web.json_response({})

    result = loaded(stalling, loadgen.constant(200, 0.3))
    assert len(arrived) == result.totals.answered == 60
    assert over(result.totals.latency, 0.15) >= 39
    assert arrived[39] - arrived[0] > 0.15  # spread over the stall, not held back to its end


def test_answers_errors_and_packages_are_counted_by_kind():
    turn = itertools.count()

    async def failing(request: web.Request) -> web.Response:
        number = next(turn)
        headers = {"X-Package": "4" if number % 2 else "2"}
        return web.json_response({"error": "no"}, status=500 if number % 2 else 200, headers=headers)

    outcomes: list[Outcome] = []
    result = loaded(failing, loadgen.constant(500, 0.2), on_outcome=outcomes.append)
    assert (result.totals.answered, result.totals.errors) == (50, {"status 500": 50})
    assert result.totals.packages == {"2": 50, "4": 50}
    assert {outcome.sentence for outcome in outcomes if outcome.error} == {"no"}


def test_no_answer_in_time_is_a_timeout_that_counts_as_slow():
    async def silent(request: web.Request) -> web.Response:
        await asyncio.sleep(5)
        return web.json_response({})

    result = loaded(silent, loadgen.constant(50, 0.1), Limits(timeout=0.2))
    assert result.totals.errors == {"timeout": 5}
    assert over(result.totals.latency, 0.19) == 5


def test_a_server_that_is_away_is_counted_and_flatters_no_percentile():
    async def work() -> loadgen.Result:
        async with serving(quick) as url:
            pass
        return await loadgen.run(loadgen.constant(100, 0.1), itertools.repeat(Call(url, b"{}")))

    result = loadgen.drive(work())
    assert result.totals.errors == {"connection": 10}
    assert result.totals.latency == {}
    assert result.totals.percentiles()["p50"] is None


def test_requests_beyond_the_limit_are_counted_as_unsent_and_not_put_off():
    async def slow(request: web.Request) -> web.Response:
        await asyncio.sleep(0.3)
        return web.json_response({})

    result = loaded(slow, loadgen.constant(200, 0.1), Limits(in_flight=5))
    assert (result.totals.answered, result.totals.unsent) == (5, 15)


def test_a_stop_ends_it_early_and_loses_no_count():
    async def work() -> tuple[loadgen.Result, int]:
        started = itertools.count()

        async def hanging(request: web.Request) -> web.Response:
            next(started)
            await asyncio.sleep(30)
            return web.json_response({})

        async with serving(hanging) as url:
            stop = asyncio.Event()
            asyncio.get_running_loop().call_later(0.2, stop.set)
            result = await loadgen.run(loadgen.constant(50), itertools.repeat(Call(url, b"")), stop=stop)
            return result, next(started)

    result, started = loadgen.drive(work())
    assert result.totals.errors == {"stopped": started}


def test_a_window_comes_every_second_and_the_windows_add_up_to_the_totals():
    seen: list[Tally] = []
    result = loaded(quick, loadgen.poisson(200, seed=3, seconds=1.2), on_window=seen.append)
    assert len(seen) == len(result.windows) == 2
    assert sum(window.finished for window in seen) == result.totals.finished
    assert seen[0].packages["2"] == seen[0].answered > 100


def test_it_ends_when_there_is_nothing_more_to_send():
    async def work() -> loadgen.Result:
        async with serving(quick) as url:
            return await loadgen.run(loadgen.constant(1000), iter([Call(url, b"")] * 3))

    assert loadgen.drive(work()).totals.answered == 3
