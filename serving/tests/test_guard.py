"""What a caller over a limit is answered in each protocol, and what one within it is told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from serving.gateway.messages import Reply
from serving.gateway.protocols import PROTOCOLS
from serving.routing import Key, Route, RouteTable
from serving.tests.forms import package
from serving.tests.inside import Inside
from serving.tests.test_keys import CALLS, api_key

OWN = api_key("own", internal=True, pin=True)


def inside(store: Path, folder: Path, *keys: Key, **limits: Any) -> Inside:
    routes = {"eta": Route("eta", (package(store, 1),))}
    return Inside(folder, RouteTable("dev", 1, routes, keys=(*keys, OWN), limits=limits))


def at_once(where: Inside, name: str, key: str, count: int) -> list[Reply]:
    async def ask() -> list[Reply]:
        calls = (where.ask(*CALLS[name], authorization=f"Bearer {key}") for _ in range(count))
        return await asyncio.gather(*calls)

    return asyncio.run(ask())


@pytest.mark.parametrize("name", PROTOCOLS)
def test_only_so_many_requests_of_a_key_are_in_flight(store: Path, tmp_path: Path, name: str) -> None:
    where = inside(store, tmp_path, api_key("two", row=1, concurrent_requests=2))
    replies = at_once(where, name, "two", 5)
    assert sorted(reply.status for reply in replies) == [200, 200, 429, 429, 429]
    refused = replies[-1]
    assert b"as many requests in flight as it may have (2)" in refused.body
    assert dict(refused.headers)["retry-after"] == "1"
    assert [reply.status for reply in at_once(where, name, "two", 2)] == [200, 200]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_refused_or_broken_request_gives_its_place_back(store: Path, tmp_path: Path, name: str) -> None:
    where = inside(store, tmp_path, api_key("one", row=1, concurrent_requests=1))
    path, _ = CALLS[name]
    for _ in range(3):
        assert asyncio.run(where.ask(path, {"wrong": 1}, authorization="Bearer one")).status == 400
        assert asyncio.run(where.ask(path, {}, authorization="Bearer one", x_package="1")).status == 403
        assert asyncio.run(where.ask(path, {}, authorization="Bearer one", content_type="text/html")).status == 415
    assert at_once(where, name, "one", 1)[0].status == 200


@pytest.mark.parametrize("name", PROTOCOLS)
def test_an_environments_limit_is_for_all_but_slipway_itself(store: Path, tmp_path: Path, name: str) -> None:
    where = inside(store, tmp_path, api_key("a"), api_key("b"), requests_per_second=5)
    assert [reply.status for reply in at_once(where, name, "a", 3)] == [200, 200, 200]
    refused = at_once(where, name, "b", 1)[0]
    assert refused.status == 429
    assert b"dev is over its limit of 5 requests a second" in refused.body
    headers = dict(refused.headers)
    assert (headers["ratelimit-policy"], headers["retry-after"]) == ('"environment";q=5;w=1', "1")
    assert {reply.status for reply in at_once(where, name, "own", 30)} == {200}


def test_a_caller_with_a_rate_is_told_what_is_left_and_others_are_told_nothing(store: Path, tmp_path: Path) -> None:
    where = inside(store, tmp_path, api_key("rated", row=1, requests_per_second=100), api_key("free"))
    headers = dict(at_once(where, "v1", "rated", 1)[0].headers)
    assert (headers["ratelimit-policy"], headers["ratelimit"]) == ('"key";q=100;w=1', '"key";r=40;t=1')
    assert not {"ratelimit", "ratelimit-policy", "vary"} & dict(at_once(where, "v1", "free", 1)[0].headers).keys()


def test_a_refusal_costs_no_count_of_any_package(store: Path, tmp_path: Path) -> None:
    where = inside(store, tmp_path, api_key("slow", row=1, requests_per_second=1))
    replies = at_once(where, "v1", "slow", 5)
    assert [reply.call is None for reply in replies] == [False, True, True, True, True]


def test_metadata_is_not_limited(store: Path, tmp_path: Path) -> None:
    where = inside(store, tmp_path, api_key("slow", row=1, requests_per_second=1), requests_per_second=1)
    asked = [asyncio.run(where.ask("/dev/v2/models/eta", authorization="Bearer slow")).status for _ in range(5)]
    assert asked == [200] * 5
