"""CSV as MLflow's clients send it: a line of names, then rows; bounded, and nothing guessed."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from serving.contract.batch import MOST_ROWS, refuse_many
from serving.contract.errors import whole
from serving.contract.fields import Field
from serving.contract.normalising import LONGEST_NUMBER, NUMBER, WHOLE, Rows

# A line's cells are all made at once, so a line is bounded before it is read.
LONGEST_LINE = 2**20
BOOLS = {"True": True, "TRUE": True, "true": True, "False": False, "FALSE": False, "false": False}
# How pandas and others write a missing number. Among texts only the empty one is missing: NA may be a name.
MISSING = frozenset({"", "NA", "N/A", "#N/A", "n/a", "NaN", "nan", "-NaN", "-nan", "NULL", "null", "None", "<NA>"})


def read(body: bytes, most: int = MOST_ROWS) -> tuple[list[str], list[list[str]]]:
    """Return the names and at most `most` rows of texts; raises ContractError."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise whole("the body is not UTF-8 text") from error
    reader = csv.reader(_lines(text), strict=True)
    full = filter(None, reader)
    rows: list[list[str]] = []
    try:
        names = next(full, [])
        for row in full:
            rows.append(row)
            refuse_many(len(rows), most)
    except csv.Error as error:
        raise whole(f"the body is not CSV that can be read here (line {reader.line_num}): {_reason(error)}") from error
    if not names:
        raise whole("the body must begin with a line that names the columns")
    return names, rows


def _lines(text: str) -> Iterator[str]:
    for line in io.StringIO(text, newline=""):
        if len(line) > LONGEST_LINE:
            raise csv.Error(f"a line can have {LONGEST_LINE:,} characters at most")
        yield line


def _reason(error: csv.Error) -> str:
    """The reader names what it expected, never what it found."""
    words = str(error)
    if "field larger" in words:
        return f"a field can have {csv.field_size_limit():,} characters at most"
    return "a quotation mark is not closed" if "unexpected end" in words else words


def values(rows: Rows, fields: Sequence[Field]) -> Rows:
    """Return the rows with their texts read as each field's type; what cannot be read stays text, to be refused."""
    readers = [_READERS.get(field.type, _number) for field in fields]
    return [[read(cell) for read, cell in zip(readers, row, strict=True)] for row in rows]


def _number(cell: Any) -> Any:
    if type(cell) is not str:
        return cell
    text = cell.strip()
    if WHOLE.match(text):
        return int(text)
    if len(text) <= LONGEST_NUMBER and NUMBER.match(text):
        return found if math.isfinite(found := float(text)) else cell
    return None if text in MISSING else BOOLS.get(text, cell)


def _flag(cell: Any) -> Any:
    text = cell.strip() if type(cell) is str else cell
    return None if text in MISSING else BOOLS.get(text, cell)


def _text(cell: Any) -> Any:
    return None if cell == "" else cell


_READERS: dict[str, Callable[[Any], Any]] = {"boolean": _flag, "string": _text}
