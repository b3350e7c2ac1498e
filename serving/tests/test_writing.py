"""The thread that writes the log: in order, whole, and never waited for."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import suppress

import pytest

from serving.gateway.writing import MOST_WAITING, Handler, Said, Writer


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    yield reading, writing
    os.close(reading)
    os.close(writing)


def started(form: str, out: int) -> Writer:
    writer = Writer(form, out)
    writer.start()
    return writer


def said(text: str) -> Said:
    return "INFO", {"message": text}


def test_lines_are_written_in_their_order_as_json(pipe: tuple[int, int]) -> None:
    writer = started("json", pipe[1])
    for number in range(100):
        writer.put(lambda number=number: said(f"line {number}"))  # type: ignore[misc]
    writer.finish(5)
    lines = [json.loads(line) for line in os.read(pipe[0], 65_536).splitlines()]
    assert [line["message"] for line in lines] == [f"line {number}" for number in range(100)]
    assert lines[0]["level"] == "INFO"
    assert lines[0]["time"].endswith("+00:00")


def test_text_is_one_line_with_the_local_time_of_the_event(pipe: tuple[int, int]) -> None:
    writer = started("text", pipe[1])
    writer.put(lambda: ("WARNING", {"message": "dev", "status": 404}))
    writer.finish(5)
    day, clock, *rest = os.read(pipe[0], 1000).decode().split()
    assert (len(day), len(clock), rest) == (10, 12, ["WARNING", "dev", "status=404"])


def test_what_nobody_reads_is_dropped_counted_and_told_when_somebody_reads_again(pipe: tuple[int, int]) -> None:
    writer, found = started("json", pipe[1]), b""
    for _ in range(3 * MOST_WAITING):
        writer.put(lambda: said("x" * 200))
    assert writer.dropped > MOST_WAITING

    done = False
    while not done:
        done = writer.finish(0.01)
        with suppress(BlockingIOError):
            found += os.read(pipe[0], 1_000_000)
    lines = [json.loads(line)["message"] for line in found.splitlines()]
    told = sum(int(line.split()[0]) for line in lines if "lines were dropped" in line)
    assert told == writer.dropped == 3 * MOST_WAITING - lines.count("x" * 200)


def test_a_reader_that_is_gone_and_a_line_that_cannot_be_made_end_nothing() -> None:
    reading, writing = os.pipe()
    writer = started("text", writing)
    os.close(reading)
    writer.put(lambda: said("nobody hears this"))
    writer.finish(5)
    os.close(writing)
    reading, again = os.pipe()
    os.dup2(again, writing)
    writer.put(lambda: {}[0])
    writer.put(lambda: said("here again"))
    writer.finish(5)
    words = os.read(reading, 1000).decode()
    assert "ERROR A line could not be made: KeyError." in words
    assert words.endswith("INFO here again\n")
    for each in {reading, again, writing}:
        os.close(each)


def test_records_of_logging_go_the_same_way(pipe: tuple[int, int]) -> None:
    writer = started("json", pipe[1])
    log = logging.Logger("test")
    log.addHandler(Handler(writer))
    log.warning("%s: %d calls", "dev", 3)
    log.handlers[0].flush()
    line = json.loads(os.read(pipe[0], 1000))
    assert (line["level"], line["message"]) == ("WARNING", "dev: 3 calls")
