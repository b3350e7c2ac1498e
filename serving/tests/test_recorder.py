"""Counting: every request has one outcome, sending twice changes nothing, memory is bounded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.metrics import store
from serving.metrics.histogram import TOP
from serving.metrics.recorder import REFUSED, Call, Pending, Recorder
from serving.metrics.series import Line
from serving.metrics.tens import Tens
from serving.tests.processes import Valkey

KEY = ("eta", 3, "stable", "sha256:" + "a" * 64, "rest", "v1")


class Time:
    """A clock in the test's hand, for both the time of day and the monotonic timer."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    server = Valkey()
    yield server
    server.close()


def recorder() -> tuple[Recorder, Time]:
    time = Time()
    return Recorder(time, time), time


def start(counts: Recorder, time: Time, deadline: float = 10.0) -> Call:
    return counts.start(Line("dev", KEY), time.now, deadline)


def cells_of(counts: Recorder, step: int) -> list[Pending]:
    cells = counts.collect(10**6)[0]
    return cells if step == 1 else Tens().fold(cells, 0.0)


def totals(counts: Recorder, step: int = 1) -> dict[str, int]:
    found = [series for cell in cells_of(counts, step) for series in cell.series]
    return {
        "starts": sum(series.starts for series in found),
        "completions": sum(series.completions for series in found),
        "refused": sum(series.refused for series in found),
        "errors": sum(sum(series.errors.values()) for series in found),
        "latency": sum(sum(series.latency.values()) for series in found),
    }


def test_a_call_that_outlives_its_deadline_is_one_timeout_in_the_top_bucket_and_nothing_later() -> None:
    counts, time = recorder()
    call = start(counts, time)
    time.now += 9
    counts.sweep()
    assert counts.running() == 1
    time.now += 1.5
    counts.sweep()
    counts.finish(call)
    (series,) = [series for cell in cells_of(counts, 1) for series in cell.series if series.completions]
    assert (series.errors, series.latency) == ({"timeout": 1}, {TOP: 1})
    assert totals(counts)["completions"] == 1


def test_a_refusal_is_no_completion_and_no_error() -> None:
    counts, time = recorder()
    call = start(counts, time)
    call.outcome = REFUSED
    counts.finish(call)
    assert totals(counts) == {"starts": 1, "completions": 0, "refused": 1, "errors": 0, "latency": 0}


steps = st.lists(
    st.tuples(st.sampled_from(["start", "done", "refused", "exception", "wait"]), st.integers(0, 12)), max_size=60
)


@settings(max_examples=150, deadline=None)
@given(steps)
def test_every_start_has_exactly_one_outcome_in_both_kinds_of_cells(script: list[tuple[str, int]]) -> None:
    counts, time = recorder()
    running: list[Call] = []
    started = 0
    for what, number in script:
        if what == "start":
            running.append(start(counts, time))
            started += 1
        elif what == "wait":
            time.now += number
            counts.sweep()
        elif running:
            call = running.pop(number % len(running))
            call.outcome = what
            counts.finish(call)
            counts.finish(call)
    for step in (1, 10):
        found = totals(counts, step)
        assert found["starts"] == started
        assert found["completions"] + found["refused"] + counts.running() == started
        assert found["latency"] == found["completions"]


@settings(max_examples=30, deadline=None)
@given(steps, st.integers(1, 3))
def test_writing_again_changes_nothing(script: list[tuple[str, int]], times: int) -> None:
    server = _server()
    server.redis.flushall()
    counts, time = recorder()
    for what, number in script:
        if what == "start":
            counts.finish(start(counts, time))
        else:
            time.now += number % 3
    cells = counts.collect(10**6)[0]
    begin, end = time.now - 1000, time.now + 1
    store.write(server.redis, "boot", cells)
    first = store.read(server.redis, "dev", begin, end)
    for _ in range(times):
        store.write(server.redis, "boot", cells)
    assert store.read(server.redis, "dev", begin, end) == first
    assert sum(cell.starts for cell in first) == sum(what == "start" for what, _ in script)


_servers: list[Valkey] = []


def _server() -> Valkey:
    return _servers[0]


@pytest.fixture(autouse=True)
def _reachable(valkey: Valkey) -> Iterator[None]:
    _servers.append(valkey)
    yield
    _servers.clear()


def test_what_was_written_comes_back_by_second_and_by_ten_seconds(valkey: Valkey) -> None:
    valkey.redis.flushall()
    counts, time = recorder()
    for _ in range(4):
        call = start(counts, time)
        call.score = 7
        time.now += 0.25
        counts.finish(call)
        time.now += 2.75
    for boot in ("a", "b"):
        store.write(valkey.redis, boot, cells_of(counts, 1) + cells_of(counts, 10))
    ones = store.read(valkey.redis, "dev", time.now - 12, time.now)
    tens = store.read(valkey.redis, "dev", time.now - 12, time.now, 10)
    assert sum(cell.completions for cell in ones) == sum(cell.completions for cell in tens) == 8
    assert {cell.boot for cell in ones} == {"a", "b"}
    assert sum(cell.scores[7] for cell in tens) == 8
    assert valkey.redis.ttl(store.key("dev", ones[0].model, "a", 1, ones[0].at)) <= 20 * 60
    assert store.read(valkey.redis, "dev", time.now, time.now + 60) == []


def test_written_cells_are_not_handed_out_again_until_they_change() -> None:
    counts, time = recorder()
    call = start(counts, time)
    counts.written(counts.collect(10**6)[0])
    assert counts.collect(10**6)[0] == []
    counts.finish(call)
    assert len(counts.collect(10**6)[0]) == 1


def test_a_change_between_handing_out_and_writing_is_handed_out_again() -> None:
    counts, time = recorder()
    call = start(counts, time)
    cells = counts.collect(10**6)[0]
    counts.finish(call)
    counts.written(cells)
    assert totals(counts)["completions"] == 1


def test_ten_minutes_of_cells_wait_while_nothing_can_be_written_and_no_more() -> None:
    counts, time = recorder()
    for _ in range(900):
        counts.finish(start(counts, time))
        time.now += 1
        assert len(counts.collect()[0]) <= 60
    kept = counts.collect(10**6)[0]
    assert 595 <= len(kept) <= 601


def test_the_watermark_waits_for_the_oldest_second_that_was_not_handed_out() -> None:
    counts, time = recorder()
    begin = int(time.now)
    for _ in range(100):
        counts.finish(start(counts, time))
        time.now += 1
    for _ in range(4):
        cells, complete = counts.collect(most=40)
        left = [cell.at for cell in counts.collect(10**6)[0]][40:]
        assert complete <= min(left, default=begin + 100)
        counts.written(cells)
    assert counts.collect() == ([], begin + 100)


def test_a_window_of_ten_seconds_grows_second_by_second_and_a_second_that_comes_again_replaces_itself() -> None:
    counts, time = recorder()
    tens = Tens()
    time.now -= time.now % 10
    for _ in range(3):
        call = start(counts, time)
        first = counts.collect()[0]
        tens.fold(first, time.now)
        counts.written(first)
        call.rows, call.queued, call.computed = 4, 0.25, 0.5
        counts.finish(call)
        (window,) = tens.fold(counts.collect()[0], time.now)
        time.now += 1
    (series,) = window.series
    assert (window.at, series.starts, series.completions, series.rows) == (int(time.now) - 3, 3, 3, 12)
    assert (series.queued, series.computed, sum(series.latency.values())) == (0.75, 1.5, 3)


def test_windows_are_forgotten_when_nothing_can_change_them_any_more() -> None:
    counts, time = recorder()
    tens = Tens()
    for _ in range(100):
        counts.finish(start(counts, time))
        tens.fold(counts.collect()[0], time.now)
        counts.written(counts.collect()[0])
        time.now += 60
    assert len(tens._windows) <= 11
