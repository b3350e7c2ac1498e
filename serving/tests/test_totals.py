"""Totals since the start: exact, whatever was forgotten, written or set back in between."""

from __future__ import annotations

from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.metrics.histogram import BUCKETS, TOP, edge
from serving.metrics.recorder import KEEP_TOTAL, Recorder
from serving.metrics.series import Line, Series, add, copy
from serving.metrics.totals import COARSE, EDGES, Total, Totals

PACKAGES = ("sha256:" + "a" * 64, "sha256:" + "b" * 64)
histograms = st.dictionaries(st.integers(0, TOP), st.integers(1, 50), max_size=6)
series = st.builds(
    Series,
    *(st.just(value) for value in ("eta", 1, "stable", PACKAGES[0], "rest", "v1")),
    starts=st.integers(0, 99),
    completions=st.integers(0, 99),
    refused=st.integers(0, 99),
    rows=st.integers(0, 99),
    # Halves, quarters and so on add up exactly in any order.
    seconds=st.integers(0, 999).map(lambda number: number / 8),
    queued=st.integers(0, 999).map(lambda number: number / 8),
    computed=st.integers(0, 999).map(lambda number: number / 8),
    errors=st.dictionaries(st.sampled_from(["timeout", "exception"]), st.integers(1, 9)),
    latency=histograms,
    scores=histograms,
)
steps = st.lists(
    st.tuples(
        st.sampled_from(["call", "away", "wait", "collect", "write", "set clock"]), st.integers(0, 40), st.booleans()
    ),
    max_size=60,
)


class Timer:
    def __init__(self) -> None:
        self.now = 5_000.0

    def __call__(self) -> float:
        return self.now


def test_the_edges_are_some_of_the_940_and_a_timeout_lies_above_them_all() -> None:
    fine = [edge(number) for number in range(BUCKETS)]
    assert set(EDGES) <= set(fine)
    assert list(COARSE) == sorted(COARSE)
    assert all(sum(each < upper for each in fine) == COARSE.index(i + 1) for i, upper in enumerate(EDGES))
    assert COARSE[TOP] == len(EDGES)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(series, max_size=6), st.randoms())
def test_gateways_are_added_exactly_in_any_order_and_grouping(cells: list[Series], chance) -> None:
    mixed = [copy(each) for each in cells]
    chance.shuffle(mixed)
    cut = chance.randint(0, len(mixed))

    def total(part: list[Series]) -> Series:
        sums = Series("eta", 1, "stable", PACKAGES[0], "rest", "v1")
        for each in part:
            add(sums, each)
        return sums

    halves = [total(mixed[:cut]), total(mixed[cut:])]
    assert total(halves) == total(cells)
    coarse = Total()
    for each in cells:
        coarse.add(each)
    assert sum(coarse.latency) == sum(total(cells).latency.values())
    for number, upper in enumerate(EDGES):
        below = sum(count for bucket, count in total(cells).latency.items() if edge(bucket) < upper)
        assert sum(coarse.latency[: number + 1]) == below


@settings(max_examples=200, deadline=None)
@given(steps)
def test_no_count_is_lost_or_doubled_whatever_happens_to_cells_and_clocks(script: list[tuple[str, int, bool]]) -> None:
    timer = Timer()
    counts = Recorder(lambda: 1_800_000_000.0, timer)
    lines = [Line("dev", ("eta", 1, "stable", package, "rest", "v1")) for package in PACKAGES]
    nobody, truth = Line("dev", ("", 0, "", "", "rest", "v1")), Counter[str]()
    redis: dict[tuple[int, int], int] = {}
    for what, number, odd in script:
        if what == "call":
            call = counts.start(lines[odd], timer.now, 10.0)
            timer.now += number / 100
            counts.finish(call)
            truth[lines[odd].key[3]] += 1
        elif what == "away":
            counts.turn_away(nobody, "401 key")
            truth["away"] += 1
        elif what == "wait":
            timer.now += number / (1 if odd else 16)
        elif what == "set clock":
            counts.agree(counts.offset + (number - 20) * (100.3 if odd else 0.7))
        else:
            cells, _ = counts.collect(10**6)
            if what == "write":
                redis |= {(cell.era, cell.at): sum(each.starts for each in cell.series) for cell in cells}
                counts.written(cells)
        assert _truth(counts.totals(())) == truth
    redis |= {(cell.era, cell.at): sum(each.starts for each in cell.series) for cell in counts.collect(10**6)[0]}
    if not any(what == "set clock" for what, _, _ in script) and timer.now < 5_500:
        assert sum(redis.values()) == truth.total() - truth["away"]


def _truth(totals: Totals) -> Counter[str]:
    found = Counter[str]()
    for (_, _, _, package, _, _), total in totals.items():
        found[package or "away"] += total.completions + (0 if package else total.errors["401 key"])
        assert sum(total.latency) == total.completions
        assert not package or total.running == 0
    return found


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(-4000, 4000), st.integers(0, 3)), min_size=1, max_size=8))
def test_what_redis_holds_adds_up_after_any_number_of_clock_changes(changes: list[tuple[int, int]]) -> None:
    timer, redis = Timer(), dict[tuple[int, int], int]()
    counts = Recorder(lambda: 1_800_000_000.0, timer)
    line, calls = Line("dev", ("eta", 1, "stable", PACKAGES[0], "rest", "v1")), 0
    for change, number in changes:
        counts.agree(counts.offset + change)
        for _ in range(number):
            counts.finish(counts.start(line, timer.now, 10.0))
            calls += 1
            timer.now += 0.6
        cells, _ = counts.collect(10**6)
        redis |= {(cell.era, cell.at): sum(each.completions for each in cell.series) for cell in cells}
        counts.written(cells)
    assert sum(redis.values()) == calls


def test_what_was_counted_by_a_clock_an_hour_behind_moves_along_with_the_first_agreement() -> None:
    timer = Timer()
    counts = Recorder(lambda: 1_800_000_000.0 - 3600, timer)
    line = Line("dev", ("eta", 1, "stable", PACKAGES[0], "rest", "v1"))
    for _ in range(3):
        counts.finish(counts.start(line, timer.now, 10.0))
        timer.now += 1
    counts.collect()
    counts.agree(1_800_000_000.0 - 5_000.0)
    counts.finish(counts.start(line, timer.now, 10.0))
    cells, watermark = counts.collect()
    assert [cell.at for cell in cells] == [1_800_000_000 + second for second in range(4)]
    assert watermark == 1_800_000_003


def test_a_package_that_is_not_loaded_any_more_keeps_its_total_for_an_hour() -> None:
    timer = Timer()
    counts = Recorder(lambda: 1_800_000_000.0, timer)
    for package in PACKAGES:
        line = Line("dev", ("eta", 1, "stable", package, "rest", "v1"))
        counts.finish(counts.start(line, timer.now, 10.0))
    timer.now += KEEP_TOTAL - 10
    counts.collect()
    assert len(counts.totals({("eta", PACKAGES[0])})) == 2
    timer.now += 20
    assert [name[3] for name in counts.totals({("eta", PACKAGES[0])})] == [PACKAGES[0]]
