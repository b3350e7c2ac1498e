"""Trace context as the W3C says it: what is passed on, and what is as if it had not been sent."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway import tracing
from serving.gateway.tracing import Parent, read, read_state
from serving.routing import Route, RouteTable
from serving.tests.forms import ROW, package
from serving.tests.inside import Inside

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GIVEN = f"00-{TRACE}-{SPAN}-01"
HEX = "0123456789abcdef"
traces = st.text(HEX, min_size=32, max_size=32).filter(lambda text: set(text) != {"0"})
spans = st.text(HEX, min_size=16, max_size=16).filter(lambda text: set(text) != {"0"})
keys = st.from_regex(r"[a-z0-9][a-z0-9_*/@-]{0,20}", fullmatch=True)
values = st.from_regex(r"[!-+./-<>-~]{1,20}", fullmatch=True)


@given(traces, spans, st.integers(0, 3))
def test_what_is_written_is_read(trace: str, span: str, flags: int) -> None:
    parent = Parent(trace, span, flags)
    assert read(parent.header) == parent


@given(traces, spans, st.text(HEX, min_size=2, max_size=2), st.text("-xyz09 ", max_size=20))
def test_a_later_version_is_read_as_far_as_we_know_it(trace: str, span: str, flags: str, more: str) -> None:
    assert read(f"cc-{trace}-{span}-{flags}-{more}") == Parent(trace, span, int(flags, 16) & 3)


@given(st.text(max_size=80))
def test_any_text_is_a_parent_or_nothing(text: str) -> None:
    found = read(text)
    assert found is None or read(found.header) == found


@given(st.integers(0, len(GIVEN) - 1), st.sampled_from("GA_ \u0661"))
def test_one_wrong_character_is_as_if_nothing_had_been_sent(at: int, wrong: str) -> None:
    assert read(GIVEN[:at] + wrong + GIVEN[at + 1 :]) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"01-{TRACE}-{SPAN}-01.more",
        f"00-{TRACE}-{SPAN}-1",
        f"{GIVEN}\n",
        f"cc-{TRACE}-{SPAN}-01-{'x' * 1000}",
    ],
)
def test_a_malformed_parent_is_no_parent(text: str) -> None:
    assert read(text) is None
    assert tracing.answer(text) == []


@given(st.dictionaries(keys, values, max_size=32))
def test_a_state_is_passed_on_in_its_order(members: dict[str, str]) -> None:
    text = ",".join(f"{key}={value}" for key, value in members.items())
    assert read_state(text) == text
    assert read_state(text.replace(",", " ,\t")) == text


@given(st.text(max_size=100))
def test_any_text_is_a_state_or_nothing(text: str) -> None:
    found = read_state(text)
    assert read_state(found) == found
    assert found.isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "A=1",
        "a=1,a=2",
        "a=",
        "a=x=y",
        "a=é",
        "a=1;b=2\x00",
        ",".join(f"k{n}=1" for n in range(33)),
        "a=" + "x" * 257,
    ],
)
def test_a_malformed_state_is_left_out_and_its_parent_stays(text: str) -> None:
    assert read(GIVEN, text) == Parent(TRACE, SPAN, 1)


def test_the_answer_is_a_new_span_of_the_same_trace() -> None:
    ((name, first),), ((_, second),) = tracing.answer(GIVEN), tracing.answer(GIVEN)
    assert name == "traceresponse"
    answered = read(first)
    assert answered is not None
    assert (answered.trace, answered.sampled) == (TRACE, True)
    assert len({SPAN, answered.span, second.split("-")[2]}) == 3


def test_the_gateway_answers_a_trace_and_nobody_else(store: Path, tmp_path: Path) -> None:
    inside = Inside(tmp_path, RouteTable("dev", 1, {"eta": Route("eta", (package(store, 1),))}, keyless=True))
    address, body = "/dev/v1/models/eta:predict", {"instances": [ROW]}

    def trace(path: str = address, **headers: str) -> str | None:
        return dict(asyncio.run(inside.ask(path, body, **headers)).headers).get("traceresponse")

    assert (trace(traceparent=GIVEN) or "").startswith(f"00-{TRACE}-")
    assert (trace("/dev/v1/models/none:predict", traceparent=GIVEN) or "").startswith(f"00-{TRACE}-")
    assert trace() is None
    assert trace(traceparent=GIVEN.upper()) is None
