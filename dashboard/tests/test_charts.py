"""The charts' figures: pure functions from numbers to what Plotly draws."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.charts import latency, lines, traffic

ROLES = {1: "stable", 2: "candidate"}
TIMES = (0.0, 5.0, 10.0)


def test_calls_are_drawn_per_second_and_a_time_without_any_as_nothing() -> None:
    figure = traffic.figure(TIMES, 5, {1: {5.0: 10}}, ROLES, UTC)
    assert figure["data"][0]["y"] == [0, 2, 0]
    assert figure["unit"] == "req/s"


def test_the_candidate_is_blue_and_on_top_of_the_grey_stable_one() -> None:
    figure = traffic.figure(TIMES, 5, {2: {0.0: 1}, 1: {0.0: 1}, 7: {0.0: 1}}, ROLES, UTC)
    assert [trace["name"] for trace in figure["data"]] == ["Package 1", "Package 7", "Package 2"]
    assert [trace["line"]["color"] for trace in figure["data"]] == ["token:stable", "token:control", "token:candidate"]


def test_latency_has_a_gap_where_nothing_was_called() -> None:
    figure = latency.figure(TIMES, 5, {1: {0.0: (0.001, 0.002, 0.004)}}, ROLES, UTC)
    assert [(trace["name"], trace["y"]) for trace in figure["data"]] == [
        ("Package 1 p50", [1.0, None, None]),
        ("Package 1 p95", [2.0, None, None]),
        ("Package 1 p99", [4.0, None, None]),
    ]
    assert not figure["data"][0]["connectgaps"]


def test_the_tables_hold_the_same_numbers_newest_first() -> None:
    columns, rows = traffic.table(TIMES, 5, {1: {5.0: 10}}, UTC)
    assert columns == ["Time", "Package 1, req/s"]
    assert rows == [
        ["1970-01-01 00:00:10", "0.0"],
        ["1970-01-01 00:00:05", "2.0"],
        ["1970-01-01 00:00:00", "0.0"],
    ]
    columns, rows = latency.table(TIMES, {1: {0.0: (0.001, None, 0.004)}}, UTC)
    assert columns == ["Time", "Package 1 p50, ms", "Package 1 p95, ms", "Package 1 p99, ms"]
    assert rows[-1] == ["1970-01-01 00:00:00", "1.00", "–", "4.00"]


def test_times_are_those_of_the_page() -> None:
    assert lines.stamps([0.0], timezone(timedelta(hours=2))) == ["1970-01-01 02:00:00"]


def test_events_outside_the_drawn_time_are_left_out() -> None:
    events = [(-9.0, "before"), (6.0, "switch"), (99.0, "after")]
    assert lines.marks(events, TIMES, 5, UTC) == [{"at": "1970-01-01 00:00:06", "label": "switch"}]


def test_of_events_too_near_to_each_other_the_last_keeps_its_words() -> None:
    times = tuple(float(at) for at in range(0, 900, 5))
    marked = lines.marks([(100.0, "switch"), (101.0, "live"), (500.0, "rolled back")], times, 5, UTC)
    assert [mark["label"] for mark in marked] == ["live", "rolled back"]


def test_nothing_measured_is_an_empty_figure_over_the_whole_time() -> None:
    figure = traffic.figure(TIMES, 5, {}, {}, UTC)
    assert figure["data"] == []
    assert figure["layout"]["xaxis"]["range"] == ["1970-01-01 00:00:00", "1970-01-01 00:00:15"]


@given(st.dictionaries(st.integers(1, 9), st.dictionaries(st.sampled_from(TIMES), st.integers(0, 10**6))))
def test_no_call_is_lost_between_the_counts_and_the_areas(starts: dict[int, dict[float, int]]) -> None:
    figure = traffic.figure(TIMES, 5, starts, ROLES, UTC)
    shown = lines.order(starts, ROLES)
    assert set(shown) >= set(starts) & set(ROLES), "what plays a role is always drawn"
    assert len(shown) == min(len(starts), lines.MOST)
    drawn = sum(sum(trace["y"]) for trace in figure["data"]) * 5
    assert drawn == pytest.approx(sum(sum(starts[package].values()) for package in shown), abs=1)
