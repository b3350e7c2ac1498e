"""The input made ready: unpacked, its digest taken, cut into chunks of whole rows; in memory that does not grow."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from serving.batch import parquet_rows
from serving.batch.places import PLAIN, UPLOADED, durable
from serving.batch.plan import Chunk, Form, Prepared, Unusable
from serving.batch.scanning import records

BLOCK = 2**20
# What a chunk holds in memory while it is answered is a few times this.
MOST_CHUNK = 16 * 2**20
BOM = b"\xef\xbb\xbf"


def prepare(folder: Path, form: Form, packed: bool, rows: int, most: int) -> Prepared:
    """Return the chunks, of `rows` rows each at most, of the file in the folder; raises Unusable.

    `most` is how many bytes it may unpack to.
    """
    source = _unpacked(folder, most) if packed else folder / UPLOADED
    digest, size = _digest(source), source.stat().st_size
    if not size:
        raise Unusable("The file is empty.")
    if form == "parquet":
        chunks, columns = parquet_rows.cut(folder, source, rows)
        return _prepared(digest, size, chunks, columns)
    if form == "jsonl":
        return _prepared(digest, size, list(_cut(source, _after_bom(source), rows, quotes=False)), [])
    columns, start, ending = _header(source)
    return _prepared(digest, size, list(_cut(source, start, rows, quotes=True)), columns, ending)


def _prepared(digest: str, size: int, chunks: list[Chunk], columns: list[str], ending: str = "\n") -> Prepared:
    total = sum(chunk.rows for chunk in chunks)
    if not total:
        raise Unusable("The file has no rows.")
    return Prepared(digest, size, total, chunks, columns, ending)


def _unpacked(folder: Path, most: int) -> Path:
    target, size = folder / PLAIN, 0
    with gzip.open(folder / UPLOADED) as source, durable(target) as sink:
        try:
            while block := source.read(BLOCK):
                size += len(block)
                if size > most:
                    raise Unusable(f"The file unpacks to more than the {most / 2**30:.3g} GiB that are allowed here.")
                sink.write(block)
        except (OSError, EOFError, zlib.error) as error:
            raise Unusable("The file is not gzip that can be read to its end.") from error
    return target


def _digest(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _after_bom(path: Path) -> int:
    with path.open("rb") as source:
        return len(BOM) if source.read(len(BOM)) == BOM else 0


def _header(path: Path) -> tuple[list[str], int, str]:
    """Return the columns that the first record names, where the rows begin, and how a line ends."""
    at = _after_bom(path)
    with path.open("rb") as source:
        _, starts, stops = next(records(source, at, quotes=True))
        if not len(starts):
            raise Unusable("The file must begin with a line that names the columns.")
        source.seek(at + int(starts[0]))
        line = source.read(int(stops[0] - starts[0]))
        ending = source.read(2)
    return _names(line), at + int(stops[0]), "\r\n" if ending == b"\r\n" else "\n"


def _names(line: bytes) -> list[str]:
    try:
        names = next(csv.reader(io.StringIO(line.decode("utf-8"), newline=""), strict=True))
    except UnicodeDecodeError as error:
        raise Unusable("The file is not UTF-8 text.") from error
    except csv.Error as error:
        raise Unusable("The first line, which names the columns, is not CSV.") from error
    if len(names) == 1 and ";" in names[0]:
        raise Unusable("The columns of the file must be separated by commas, not by semicolons.")
    if doubled := next((name for name in names if names.count(name) > 1), None):
        raise Unusable(f"The first line names the column {doubled[:60]!r} twice.")
    return names


def _cut(path: Path, at: int, most: int, *, quotes: bool) -> Iterator[Chunk]:
    """Yield chunks of `most` rows, of fewer where they are long; the last one reaches to the file's end."""
    number, first, start, stop, rows = 0, 1, at, at, 0
    with path.open("rb") as source:
        for place, _, stops in records(source, at, quotes=quotes):
            left = place + stops
            while len(left):
                taken = _fitting(left - start, most - rows, rows)
                if not taken:
                    yield Chunk(number, start, stop, first, rows)
                    number, first, start, rows = number + 1, first + rows, stop, 0
                    continue
                rows, stop, left = rows + taken, int(left[taken - 1]), left[taken:]
    if rows:
        yield Chunk(number, start, path.stat().st_size, first, rows)


def _fitting(sizes: np.ndarray, room: int, rows: int) -> int:
    """Return how many of the next records a chunk that has some takes; sizes are the chunk's bytes up to each end."""
    found = min(room, int(np.searchsorted(sizes, MOST_CHUNK, side="right")))
    return found or int(rows == 0)
