"""The text for Prometheus, read back by Prometheus's own parser."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families as parse

from serving.metrics import families
from serving.metrics.histogram import bucket
from serving.metrics.prometheus import Family, labels, text
from serving.metrics.series import Series
from serving.metrics.totals import EDGES, Totals, fold

DIGEST = "sha256:" + "a" * 64


@given(st.text(), st.text(), st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**60), 2**60))
def test_any_label_words_and_number_come_back_as_they_were(label: str, about: str, value: float) -> None:
    family = Family("some_total", "gauge", about)
    family.add(labels(name=label), value)
    # The format ends a line at \n only; the parser is handed the other breaks of Unicode as they are.
    (read,) = parse(text([family]).decode())
    (sample,) = read.samples
    assert (sample.labels, sample.value) == ({"name": label}, value)


def test_a_histogram_is_cumulative_and_ends_with_its_count() -> None:
    family = Family("seconds", "histogram", "How long.")
    family.histogram(labels(model="eta"), (0.1, 0.5), (3, 0, 2), 1.5)
    (read,) = parse(text([family]).decode())
    assert [(each.name, each.labels.get("le"), each.value) for each in read.samples] == [
        ("seconds_bucket", "0.1", 3),
        ("seconds_bucket", "0.5", 3),
        ("seconds_bucket", "+Inf", 5),
        ("seconds_sum", None, 1.5),
        ("seconds_count", None, 5),
    ]


def test_without_samples_there_is_no_family() -> None:
    assert text([Family("empty", "gauge", "Nothing.")]) == b""


@given(st.lists(st.floats(1e-6, 110.0), max_size=50))
def test_every_latency_is_counted_below_the_edges_above_it(latencies: list[float]) -> None:
    latency: dict[int, int] = {}
    for seconds in latencies:
        latency[bucket(seconds)] = latency.get(bucket(seconds), 0) + 1
    done = len(latencies)
    series = Series(
        "eta", 7, "stable", DIGEST, "rest", "v1", starts=done, completions=done, seconds=sum(latencies), latency=latency
    )
    totals: Totals = {}
    fold(totals, "dev", 0, [series])
    page = text(families.of(totals, {("eta", DIGEST): 4})).decode()
    (found,) = [each for each in parse(page) if each.name == "slipway_request_duration_seconds"]
    counts = {each.labels["le"]: each.value for each in found.samples if each.name.endswith("_bucket")}
    for edge, count in zip(EDGES, counts.values(), strict=False):
        # Exact, but for a latency that rounds onto an edge.
        below = sum(seconds < edge * (1 - 1e-9) for seconds in latencies)
        assert below <= count <= sum(seconds <= edge * (1 + 1e-9) for seconds in latencies)
    assert counts["+Inf"] == done
    (total,) = [each.value for each in found.samples if each.name.endswith("_sum")]
    assert math.isclose(total, sum(latencies))
    assert {(each.labels["package"], each.labels["digest"]) for each in found.samples} == {("4", DIGEST[:19])}


def test_who_was_turned_away_is_told_by_status_and_kind_and_is_no_request() -> None:
    totals: Totals = {}
    fold(totals, "dev", 0, [Series("eta", 0, "", "", "rest", "v1", refused=3, errors={"401 key": 2, "429 rate": 1})])
    page = {each.name: each.samples for each in parse(text(families.of(totals, {})).decode())}
    assert set(page) == {"slipway_turned_away"}
    assert [(each.labels["status"], each.labels["kind"], each.value) for each in page["slipway_turned_away"]] == [
        ("401", "key", 2),
        ("429", "rate", 1),
    ]
