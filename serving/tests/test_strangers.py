"""Callers whose key will not do: by which address the log knows them, and how much it says."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from serving.gateway.messages import Request
from serving.gateway.strangers import MOST, Strangers, address, peer
from serving.routing import Route, RouteTable
from serving.tests.forms import package
from serving.tests.inside import Inside
from serving.tests.test_keys import CALLS

pytestmark = pytest.mark.same_everywhere


@pytest.mark.parametrize(
    ("passed", "hops", "wanted"),
    [
        ("198.51.100.7", 0, "10.0.0.1"),
        ("198.51.100.7", 1, "198.51.100.7"),
        ("6.6.6.6, 198.51.100.7", 1, "198.51.100.7"),
        ("6.6.6.6, 198.51.100.7, 10.0.0.9", 2, "198.51.100.7"),
        ("198.51.100.7", 2, "10.0.0.1"),
        ("2001:db8::1", 1, "2001:db8::1"),
        ("<script>", 1, "10.0.0.1"),
        ("198.51.100.7\u00a0x", 1, "10.0.0.1"),
        (None, 1, "10.0.0.1"),
        ("", 1, "10.0.0.1"),
        (",,,", 1, "10.0.0.1"),
    ],
)
def test_only_what_our_own_proxies_wrote_down_is_believed(passed: str | None, hops: int, wanted: str) -> None:
    assert address("10.0.0.1", {} if passed is None else {"x-forwarded-for": passed}, hops) == wanted


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ({"client": ("10.0.0.1", 5000)}, "10.0.0.1"),
        (SimpleNamespace(client="10.0.0.1:5000"), "10.0.0.1"),
        (SimpleNamespace(client="[::1]:5000"), "::1"),
        ({"client": None}, "an unknown address"),
        (None, "an unknown address"),
    ],
)
def test_both_servers_tell_the_other_end_of_the_connection(source: Any, wanted: str) -> None:
    assert peer(source) == wanted


def request(who: str) -> Request:
    return Request("POST", "/", {}, b"", 0.0, source={"client": (who, 1)})


def test_a_line_sums_up_a_second_and_names_the_most_frequent() -> None:
    strangers = Strangers()
    for number in range(8):
        for _ in range(number + 1):
            strangers.note("dev", "This API key has expired.", request(f"10.0.0.{number}"))
    (line,) = strangers.told()
    assert line.startswith("dev: 36 calls refused (10.0.0.7: 8, 10.0.0.6: 7, ")
    assert line.endswith("10.0.0.3: 4, 3 more). This API key has expired.")
    assert strangers.told() == []


def test_a_flood_from_everywhere_takes_no_memory() -> None:
    strangers = Strangers()
    for number in range(3 * MOST):
        strangers.note("dev", "no", request(f"10.{number % 256}.{number // 256}.1"))
    (line,) = strangers.told()
    assert f"other addresses: {2 * MOST}" in line


def test_the_gateway_notes_who_was_refused(store: Path, tmp_path: Path) -> None:
    table = RouteTable("dev", 1, {"eta": Route("eta", (package(store, 1),))})
    inside = Inside(tmp_path, table)
    asyncio.run(inside.ask(*CALLS["v1"], authorization="Bearer guessed"))
    (line,) = inside.strangers.told()
    assert line == ("dev: 1 call refused (an unknown address: 1). This API key is not known in this environment.")
