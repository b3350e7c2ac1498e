"""Compressed bodies: opened as their coding says, to a bounded size, and never at anybody else's cost."""

from __future__ import annotations

import asyncio
import gzip
import time
import zlib
from typing import Any

import pytest

from serving.gateway import unpacking
from serving.gateway.messages import Problem, Request
from serving.gateway.reading import MOST_BODY
from serving.gateway.unpacking import MOST_RATIO, MOST_WAITING, Unpacker, coding, inflate

TEXT = bytes(range(256)) * 20


def bare(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("gzip", gzip.compress(TEXT)),
        ("x-gzip", gzip.compress(TEXT)),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", bare(TEXT)),
    ],
)
def test_each_coding_gives_what_was_packed(name: str, body: bytes) -> None:
    assert inflate(name, body) == TEXT


def test_a_coding_is_read_in_any_case_and_unknown_ones_are_refused_with_those_that_are_known() -> None:
    assert [coding(name) for name in ("", "Identity", "GZIP", " deflate ")] == ["", "", "gzip", "deflate"]
    for name in ("br", "gzip, gzip", "zstd"):
        with pytest.raises(Problem) as problem:
            coding(name)
        assert (problem.value.status, problem.value.headers) == (415, [("accept-encoding", "gzip, deflate")])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"plain",
        gzip.compress(TEXT)[:-9],
        gzip.compress(TEXT) + b"more",
        gzip.compress(TEXT) * 2,
        zlib.compress(TEXT),
    ],
)
def test_a_broken_stream_is_refused(body: bytes) -> None:
    with pytest.raises(Problem) as problem:
        inflate("gzip", body)
    assert problem.value.status == 400


@pytest.mark.parametrize(("size", "words"), [(MOST_BODY * 20, "8 MiB"), (2 * 2**20, f"{MOST_RATIO}-fold")])
def test_a_bomb_is_refused_before_it_has_grown(size: int, words: str) -> None:
    with pytest.raises(Problem, match=words) as problem:
        inflate("gzip", gzip.compress(bytes(size)))
    assert problem.value.status == 413


def test_what_is_over_the_limit_is_refused_and_what_is_just_below_is_not() -> None:
    grown = b"".join(number.to_bytes(4, "big") for number in range(MOST_BODY // 4))
    assert len(inflate("gzip", gzip.compress(grown))) == MOST_BODY
    with pytest.raises(Problem, match="8 MiB"):
        inflate("gzip", gzip.compress(grown + b"x"))


async def opened(body: bytes, times: int) -> list[Any]:
    unpacker = Unpacker()
    requests = [Request("POST", "/", {}, body, time.monotonic(), "gzip") for _ in range(times)]
    done = await asyncio.gather(*map(unpacker.unpack, requests), return_exceptions=True)
    return [problem or request.body for problem, request in zip(done, requests, strict=True)]


def test_small_bodies_are_opened_at_once_and_large_ones_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asyncio.run(opened(gzip.compress(TEXT), 1)) == [TEXT]
    large = TEXT * 100
    assert asyncio.run(opened(gzip.compress(large), 2)) == [large, large]
    monkeypatch.setattr(unpacking, "inflate", lambda *_: pytest.fail("a small body went to the thread"))
    assert asyncio.run(opened(gzip.compress(TEXT), 1)) == [TEXT]


def test_more_than_may_wait_are_sent_away() -> None:
    found = asyncio.run(opened(gzip.compress(TEXT * 100), MOST_WAITING + 3))
    away = [problem.status for problem in found if isinstance(problem, Problem)]
    assert away == [503] * 3
