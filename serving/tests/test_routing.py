"""The route table: picks follow the weights, bytes come back as they went, bad tables are refused in words."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving import routing
from serving.gateway.ways import chance
from serving.routing import Key, Route
from serving.tests.builders import digest, table, target

KEY = Key(digest("k").removeprefix("sha256:"), "abc", ("*",), True, None)


def split(candidate: float, control: float) -> Route:
    rest = 100 - candidate - control
    targets = (target(1, "stable", rest), target(1, "control", control), target(2, "candidate", candidate))
    return Route("eta", targets)


@given(st.integers(0, 50), st.integers(0, 50))
def test_picks_follow_the_weights(candidate: int, control: int) -> None:
    route = split(candidate, control)
    arms = [route.pick(i / 1000)[1] for i in range(1000)]
    assert abs(arms.count("candidate") - 10 * candidate) <= 1
    if candidate or control:
        assert abs(arms.count("control") - 10 * control) <= 1


def test_without_a_candidate_a_tenth_of_stables_picks_are_labelled_control() -> None:
    route = Route("eta", (target(1),))
    picks = [route.pick(i / 1000) for i in range(1000)]
    assert [arm for _, arm in picks].count("control") == 100
    assert {chosen.package for chosen, _ in picks} == {1}


def test_a_warm_candidate_of_weight_nought_is_never_picked() -> None:
    route = Route("eta", (target(1), target(2, "candidate", 0)))
    assert {route.pick(i / 1000)[0].package for i in range(1000)} == {1}


@given(st.floats(0, 1, exclude_max=True), st.floats(0, 40), st.floats(0, 40))
def test_a_sticky_caller_in_the_candidates_share_stays_there_while_it_grows(
    u: float, small: float, more: float
) -> None:
    if split(small, 5).pick(u)[1] == "candidate":
        assert split(small + more, 5).pick(u)[1] == "candidate"


def test_a_route_that_is_off_picks_nothing() -> None:
    with pytest.raises(LookupError, match="switched off"):
        Route("eta", (target(1, weight=0),)).pick(0.5)


@given(st.integers(1, 10**9), st.sampled_from([0.0, 0.1]), st.booleans())
def test_a_table_comes_back_as_it_went(generation: int, control: float, keyless: bool) -> None:
    sent = table(target(1, weight=95), target(2, "candidate", 5), generation=generation, keyless=keyless, keys=(KEY,))
    assert routing.loads(routing.dumps(sent)) == sent
    assert routing.dumps(routing.loads(routing.dumps(sent))) == routing.dumps(sent)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (table(target(1, weight=60)), "add up to 60"),
        (table(target(1, weight=130), target(2, "candidate", -30)), "between 0 and 100"),
        (table(target(1, weight=float("nan"))), "between 0 and 100"),
        (table(target(1, artefact="sha256:12")), "64 hex digits"),
        (table(target(1, url="ftp://x")), "must start with file://"),
        (table(target(1, weight=50), target(2, weight=50)), "2 stable targets"),
        (table(target(1), generation=0), "at least 1"),
        (table(target(1), environment="v1"), "cannot be the name"),
        (table(target(1), keys=(dataclasses.replace(KEY, hash="x"),)), "no SHA-256"),
        (table(target(1), route={"deadline": 0}), "deadline"),
        (table(target(1), model="../x"), "must carry its model's own name"),
        (table(target(1, weight=90), target(1, "control", 10, artefact=digest("other"))), "two different artefacts"),
    ],
)
def test_a_bad_table_is_refused_in_words(broken: routing.RouteTable, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        routing.check(broken)


@given(st.binary(max_size=60))
def test_bytes_that_are_no_table_are_refused_as_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        routing.loads(data)


KEYS, GROWTH = 10_000, (5, 25, 50)


def test_who_had_the_candidate_keeps_it_while_its_share_grows() -> None:
    """10,000 sticky keys, and shares within five standard deviations of a fair draw."""
    keys = [f"customer {number}".encode() for number in range(KEYS)]
    had: set[bytes] = set()
    for weight in GROWTH:
        route = Route("eta", (target(1, "stable", 100 - weight), target(2, "candidate", weight)))
        has = {key for key in keys if route.pick(chance("eta", key))[1] == "candidate"}
        assert had <= has
        share = weight / 100
        assert abs(len(has) - KEYS * share) < 5 * (KEYS * share * (1 - share)) ** 0.5
        had = has


def test_a_key_meets_other_packages_of_another_model() -> None:
    """Else the same unlucky customers would get every candidate at once."""
    both = [
        (chance("eta", f"{number}".encode()) < 0.5, chance("fare", f"{number}".encode()) < 0.5)
        for number in range(KEYS)
    ]
    assert abs(sum(one == other for one, other in both) - KEYS / 2) < 5 * (KEYS / 4) ** 0.5
