"""Comparing answers: one rule for numbers and classes, and a tally that adds up exactly and stays small."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving import tally
from serving.comparison import Rule, compare
from serving.runtimes import Answer
from serving.tally import MOST_LARGEST, MOST_POINTS, MOST_VALUES, OTHER, Largest, Seen, Tally, added, segment

EXACT, FINITE = Rule(), st.floats(-1e12, 1e12)


def numbers(*values: float) -> Answer:
    return Answer(values=np.array(values))


def classes(labels: list[Any], probabilities: list[list[float]] | None = None, names: tuple[Any, ...] = ()) -> Answer:
    return Answer(labels=labels, probabilities=probabilities and np.array(probabilities), classes=names)


def test_numbers_agree_within_both_tolerances() -> None:
    found = compare(numbers(100, 100, 0), numbers(101, 101.2, 0.4), Rule(atol=0.5, rtol=0.005))
    assert found.agrees.tolist() == [True, False, True]
    assert found.apart == pytest.approx([1, 1.2, 0.4])


def test_the_worst_of_several_numbers_decides() -> None:
    found = compare(Answer(values=np.array([[1.0, 2.0]])), Answer(values=np.array([[1.0, 5.0]])), EXACT)
    assert (found.agrees.tolist(), found.apart.tolist()) == ([False], [3.0])
    assert (found.live.tolist(), found.shadow.tolist()) == ([2.0], [5.0])


def test_classes_flip_with_their_direction_and_the_shift_of_their_probability() -> None:
    live = classes(["no", "yes"], [[0.9, 0.1], [0.2, 0.8]], ("no", "yes"))
    other = classes(["yes", "yes"], [[0.4, 0.6], [0.1, 0.9]], ("no", "yes"))
    found = compare(live, other, EXACT)
    assert found.flips == [("no", "yes"), None]
    assert found.agrees.tolist() == [False, True]
    assert found.apart == pytest.approx([0.5, 0.1])
    assert found.shadow == pytest.approx([0.4, 0.9])


def test_the_order_and_the_type_of_classes_make_no_difference() -> None:
    live = classes([1], [[0.3, 0.7]], (0, 1))
    found = compare(live, classes(["1"], [[0.7, 0.3]], ("1", "0")), EXACT)
    assert (found.agrees.tolist(), found.apart.tolist()) == ([True], [0.0])


def test_a_class_that_only_one_knows_has_no_probability_with_the_other() -> None:
    found = compare(classes(["c"], [[0.2, 0.8]], ("a", "c")), classes(["a"], [[1.0]], ("a",)), EXACT)
    assert (found.apart.tolist(), found.shadow.tolist()) == ([0.8], [0.0])


def test_classes_without_probabilities_are_apart_by_one() -> None:
    found = compare(classes(["a", "b"]), classes(["a", "a"]), EXACT)
    assert (found.apart.tolist(), found.flips) == ([0.0, 1.0], [None, ("b", "a")])


@pytest.mark.parametrize(
    ("live", "other"),
    [
        (numbers(1), classes(["a"])),
        (classes(["a"]), numbers(1)),
        (numbers(1, 2), numbers(1)),
        (classes(["a"]), classes(["a", "b"])),
        (Answer(values=np.ones((1, 2))), numbers(1)),
    ],
)
def test_what_cannot_be_compared_is_refused_in_words(live: Answer, other: Answer) -> None:
    with pytest.raises(ValueError, match="answer"):
        compare(live, other, EXACT)


@given(st.lists(FINITE, min_size=1, max_size=20), st.floats(0, 10), st.floats(0, 1))
def test_an_answer_always_agrees_with_itself(values: list[float], atol: float, rtol: float) -> None:
    found = compare(numbers(*values), numbers(*values), Rule(atol, rtol))
    assert found.agrees.all()
    assert not found.apart.any()


@given(st.lists(st.tuples(FINITE, FINITE), min_size=1, max_size=20))
def test_a_wider_tolerance_never_finds_more_differences(pairs: list[tuple[float, float]]) -> None:
    live, other = (numbers(*side) for side in zip(*pairs, strict=True))
    narrow, wide = compare(live, other, Rule(0.1, 0.01)), compare(live, other, Rule(0.2, 0.02))
    assert (narrow.agrees <= wide.agrees).all()


# --- the tally ------------------------------------------------------------------------------------------------------


def seen(agrees: bool = True, **more: Any) -> Seen:
    found: dict[str, Any] = {"live": 1.0, "shadow": 2.0, "flip": None, "inputs": {}} | more
    return Seen(agrees=agrees, live_seconds=0.001, shadow_seconds=0.002, **found)


SEEN = st.builds(
    lambda agrees, value, flip: seen(agrees, inputs={"field": value}, flip=None if agrees else flip),
    st.booleans(),
    st.one_of(st.text(max_size=8), st.booleans(), st.integers(), st.floats()),
    st.tuples(st.sampled_from("abc"), st.sampled_from("abc")),
)


@given(st.lists(SEEN, max_size=60), st.integers(1, 4))
def test_tallies_add_up_as_if_one_process_had_seen_everything(found: list[Seen], parts: int) -> None:
    whole, several = Tally(), [Tally() for _ in range(parts)]
    for place, each in enumerate(found):
        whole.add(each, random.Random(0))
        several[place % parts].add(each, random.Random(0))
    total = added([tally.loads(tally.dumps(each)) for each in several])
    names = ("pairs", "agreed", "disagreed", "flips", "live_times", "shadow_times")
    assert all(getattr(total, name) == getattr(whole, name) for name in names)
    assert sum(pairs for pairs, _ in total.segments.get("field", {}).values()) == len(found)


def test_no_answer_is_no_agreement() -> None:
    found = Tally()
    found.add(seen(), random.Random(0))
    found.fail("ValueError")
    assert (found.pairs, found.agreed, found.disagreed, found.failed) == (2, 1, 1, {"ValueError": 1})


def test_a_tally_stays_small_whatever_comes() -> None:
    found, dice = Tally(), random.Random(0)
    for number in range(3000):
        text = f"value {number}"
        found.add(seen(False, live=float(number), inputs={"free text": text}, flip=(text, "b")), dice)
        found.keep([Largest(apart=float(number), at=0.0, id=text, inputs={}, live=0, shadow=0)])
    assert len(found.points) == MOST_POINTS
    assert len(found.segments["free text"]) == MOST_VALUES + 1
    assert found.segments["free text"][OTHER] == [3000 - MOST_VALUES, 3000 - MOST_VALUES]
    assert [each.apart for each in found.largest] == [float(2999 - place) for place in range(MOST_LARGEST)]
    assert len(tally.dumps(found)) < 64_000
    # The sample is one of all that came, and not of the first or the last.
    assert 1000 < np.median([live for live, _ in found.points]) < 2000


def test_the_points_of_several_processes_share_the_room_by_their_pairs() -> None:
    tallies = [Tally() for _ in range(2)]
    for number, (each, count) in enumerate(zip(tallies, (3000, 1000), strict=True)):
        for _ in range(count):
            each.add(seen(live=float(number)), random.Random(0))
    points = [live for live, _ in added(tallies).points]
    assert (len(points), points.count(1.0)) == (MOST_POINTS, MOST_POINTS // 4)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("JFK", "JFK"),
        (True, "True"),
        (0, "0"),
        (0.0, "0"),
        (7, "7"),
        (432, "400 to 500"),
        (-432, "-500 to -400"),
        (0.034, "0.03 to 0.04"),
        (float("nan"), OTHER),
        (None, OTHER),
    ],
)
def test_values_fall_into_segments_that_people_can_read(value: Any, name: str) -> None:
    assert segment(value) == name


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b'{"pairs": "many"}'])
def test_a_tally_that_cannot_be_read_is_refused_in_words(data: bytes) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        tally.loads(data)
