"""Where the records of a text file end, found without reading them: whole arrays of bytes, quotation marks counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from serving.batch.plan import Unusable
from serving.contract.tabular import LONGEST_LINE

BLOCK = 4 * 2**20
LINE, RETURN, QUOTE = 10, 13, 34


def ends(data: bytes | memoryview, *, quotes: bool) -> np.ndarray:
    """Return where the records of `data` end, one past each line feed; one between quotation marks ends none.

    `data` must begin with a record. A record behind the last line feed is not counted.
    """
    found = np.frombuffer(data, np.uint8)
    lines = np.flatnonzero(found == LINE)
    if quotes and len(marks := np.flatnonzero(found == QUOTE)):
        lines = lines[np.searchsorted(marks, lines) % 2 == 0]
    return lines + 1


def spans(data: bytes, *, quotes: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return where each record begins and ends, without its line end; empty lines are none."""
    stops = ends(data, quotes=quotes)
    starts = np.concatenate([[0], stops])[: len(stops)]
    stops = stops - 1
    if len(data) and (not len(stops) or stops[-1] + 1 < len(data)):
        starts = np.append(starts, stops[-1] + 1 if len(stops) else 0)
        stops = np.append(stops, len(data))
    bytes_ = np.frombuffer(data, np.uint8)
    stops = stops - ((stops > starts) & (bytes_[np.maximum(stops - 1, 0)] == RETURN))
    full = stops > starts
    return starts[full], stops[full]


def records(file: BinaryIO, at: int, *, quotes: bool) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield from `at` on the file's place, and below it where each record of a block begins and ends.

    No more than a block and a record is in memory. Raises Unusable for a record that is too long.
    """
    file.seek(at)
    rest, last = b"", False
    while not last:
        more = file.read(BLOCK)
        last = len(more) < BLOCK
        data = rest + more
        stop = len(data) if last else _whole(data, quotes=quotes)
        whole, rest = data[:stop], data[stop:]
        if len(rest) > LONGEST_LINE:
            raise Unusable(_too_long(quotes))
        starts, stops = spans(whole, quotes=quotes)
        if len(starts) and int((stops - starts).max()) > LONGEST_LINE:
            raise Unusable(_too_long(quotes))
        yield at, starts, stops
        at += stop


def _whole(data: bytes, *, quotes: bool) -> int:
    found = ends(data, quotes=quotes)
    return int(found[-1]) if len(found) else 0


def _too_long(quotes: bool) -> str:
    why = " A quotation mark that is not closed makes one line of many." if quotes else ""
    return f"A line can have {LONGEST_LINE:,} bytes at most.{why}"
