"""Which pages may call: a preflight without a key, and the answer itself by the caller's own key."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from pathlib import Path
from typing import Any

import pytest

from serving.gateway.messages import Reply
from serving.gateway.protocols import PROTOCOLS
from serving.routing import Route, RouteTable
from serving.tests.forms import package
from serving.tests.inside import Inside
from serving.tests.test_keys import CALLS, api_key

PAGE, OTHER = "https://shop.example.com", "https://evil.example.com"
OLD, NOBODY = "https://old.example.com", "https://nobody.example.com"
KEYS = (
    api_key("shop", origins=(PAGE,), models=("eta",)),
    api_key("slow", origins=(OTHER,), requests_per_second=1),
    api_key("ended", origins=(OLD,), expires=time.time() - 1),
    api_key("plain"),
)
PATHS = [CALLS[name][0] for name in PROTOCOLS]


@pytest.fixture
def inside(store: Path, tmp_path: Path) -> Inside:
    target = package(store, 1)
    routes = {"eta": Route("eta", (target,)), "iris": Route("iris", (target,))}
    return Inside(tmp_path, RouteTable("dev", 1, routes, keys=KEYS))


def ask(inside: Inside, path: str, body: Any = None, **more: str) -> tuple[Reply, dict[str, str]]:
    reply = asyncio.run(inside.ask(path, body, **more))
    return reply, dict(reply.headers)


def preflight(inside: Inside, path: str, origin: str) -> dict[str, str]:
    reply, headers = ask(inside, path, method="OPTIONS", origin=origin, access_control_request_method="POST")
    assert (reply.status, reply.body) == (204, b"")
    return headers


@pytest.mark.parametrize("path", PATHS)
def test_a_preflight_is_answered_for_the_origin_of_any_key(inside: Inside, path: str) -> None:
    for origin in (PAGE, OTHER):
        headers = preflight(inside, path, origin)
        assert headers["access-control-allow-origin"] == origin
        assert headers["access-control-allow-methods"] == "POST"
        assert {"authorization", "content-type", "x-package"} <= set(
            headers["access-control-allow-headers"].split(", ")
        )
        assert headers["vary"].startswith("Origin")
        assert "access-control-allow-credentials" not in headers


@pytest.mark.parametrize("origin", [OLD, NOBODY, "null", "*", ""])
def test_a_preflight_from_elsewhere_allows_nothing(inside: Inside, origin: str) -> None:
    headers = preflight(inside, PATHS[0], origin)
    assert not [name for name in headers if name.startswith("access-control")]
    assert headers["vary"] == "Origin"


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_answer_goes_by_the_callers_own_key(inside: Inside, name: str) -> None:
    path, body = CALLS[name]
    reply, headers = ask(inside, path, body, origin=PAGE, authorization="Bearer shop")
    assert (reply.status, headers["access-control-allow-origin"], headers["vary"]) == (200, PAGE, "Origin")
    assert "x-package-digest" in headers["access-control-expose-headers"]
    _, headers = ask(inside, path, body, origin=OTHER, authorization="Bearer shop")
    assert ("access-control-allow-origin" in headers, headers["vary"]) == (False, "Origin")
    _, headers = ask(inside, path, body, origin=PAGE, authorization="Bearer plain")
    assert not {"access-control-allow-origin", "vary"} & headers.keys()


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_page_can_read_why_it_was_refused(inside: Inside, name: str) -> None:
    path, body = CALLS[name]
    for _ in range(3):
        reply, headers = ask(inside, path, body, origin=OTHER, authorization="Bearer slow")
    assert (reply.status, headers["access-control-allow-origin"]) == (429, OTHER)
    other = path.replace("eta", "iris")
    reply, headers = ask(inside, other, body, origin=PAGE, authorization="Bearer shop")
    assert (reply.status, headers["access-control-allow-origin"]) == (403, PAGE)
    reply, headers = ask(inside, path, body, origin=PAGE, authorization="Bearer shop", content_type="text/html")
    assert (reply.status, headers["access-control-allow-origin"]) == (415, PAGE)


def test_a_page_can_read_the_metadata(inside: Inside) -> None:
    reply, headers = ask(inside, "/dev/v2/models/eta", origin=PAGE, authorization="Bearer shop")
    assert (reply.status, headers["access-control-allow-origin"]) == (200, PAGE)


def test_an_unknown_key_learns_nothing_of_origins(inside: Inside) -> None:
    reply, headers = ask(inside, *CALLS["v1"], origin=PAGE, authorization="Bearer guessed")
    assert reply.status == 401
    assert "access-control-allow-origin" not in headers


def test_keyless_answers_are_for_no_page(store: Path, tmp_path: Path) -> None:
    table = RouteTable("dev", 1, {"eta": Route("eta", (package(store, 1),))}, keys=KEYS, keyless=True)
    reply, headers = ask(Inside(tmp_path, table), *CALLS["v1"], origin=PAGE)
    assert reply.status == 200
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/dev/v1/models/eta:predict", "OPTIONS, POST"),
        ("/dev/v2/models/eta", "GET, HEAD, OPTIONS"),
        ("/v2", "GET, HEAD, OPTIONS"),
    ],
)
def test_options_says_what_an_address_takes(inside: Inside, path: str, allow: str) -> None:
    reply, headers = ask(inside, path, method="OPTIONS")
    assert (reply.status, headers["allow"]) == (204, allow)
    assert dataclasses.asdict(reply)["body"] == b""


def test_options_of_nothing_is_404(inside: Inside) -> None:
    assert ask(inside, "/there/is/nothing", method="OPTIONS")[0].status == 404
