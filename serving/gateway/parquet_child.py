"""Parquet files to columns, in a process of its own: what a hostile file breaks or fills is lost alone.

Run by its path, never imported: it knows nothing of Slipway, and the gateway nothing of pyarrow. A request is two
lengths, what is asked for (JSON) and the file; the answer a length and msgpack.
"""

from __future__ import annotations

import math
import os
import resource
import select
import signal
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

# A file gets this long (the alarm ends the process), and so much memory beyond what pyarrow itself takes.
SECONDS, MEMORY = 3, 512 * 2**20
# What a small file can unpack to, and the gateway must hold.
MOST_CELLS, MOST_BYTES = 2_000_000, 32 * 2**20
IDLE_SECONDS = 120.0
NICE = 5
PLAIN = (
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_boolean,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_null,
)
LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)


class Refused(Exception):
    """A file that is not read; the text says why, and nothing of what the file holds."""


def main() -> None:
    """Answer until the gateway has gone, or has not asked for a while."""
    os.nice(NICE)
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    _limit_memory()
    while select.select([sys.stdin], [], [], IDLE_SECONDS)[0]:
        asked, body = _request(sys.stdin.buffer)
        signal.alarm(SECONDS)
        answer = msgspec.msgpack.encode(_answer(asked, body))
        signal.alarm(0)
        sys.stdout.buffer.write(struct.pack("<Q", len(answer)) + answer)
        sys.stdout.buffer.flush()


def _limit_memory() -> None:
    try:
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    except (OSError, ValueError):
        pass  # not on this system: the time is still limited


def _request(stream: BinaryIO) -> tuple[dict[str, Any], bytes]:
    lengths = stream.read(16)
    if len(lengths) < 16:
        sys.exit(0)
    head, size = struct.unpack("<QQ", lengths)
    return msgspec.json.decode(stream.read(head)), stream.read(size)


def _answer(asked: dict[str, Any], body: bytes) -> dict[str, Any]:
    """Return `{"columns": [[name, values], …], "clean": bool}` or `{"refused": words}`."""
    try:
        return _read(body, asked["names"], asked["rows"], asked["lists"])
    except Refused as problem:
        return {"refused": str(problem)}
    except MemoryError:
        return {"refused": "the Parquet file unpacks to more memory than one request may take"}
    except Exception:
        # Arrow raises many classes, and its words may hold what was sent.
        return {"refused": "the body is not a Parquet file that can be read here"}


def _read(body: bytes, names: list[str] | None, most: int, lists: bool) -> dict[str, Any]:
    file = pq.ParquetFile(pa.BufferReader(body), pre_buffer=False)
    if file.metadata.num_rows > most:
        raise Refused(f"a request can hold {most:,} rows at most; send more rows in several requests")
    schema = file.schema_arrow
    wanted = list(schema.names) if names is None else [name for name in names if name in set(schema.names)]
    if file.metadata.num_rows * len(wanted) > MOST_CELLS:
        raise Refused(f"the Parquet file holds more than {MOST_CELLS:,} values")
    for name in wanted:
        _check(schema, name, lists)
    table = file.read(columns=wanted, use_threads=False)
    if table.schema.names != wanted and sorted(table.schema.names) != sorted(wanted):
        raise Refused("the names of the columns are not plain")
    if table.nbytes > MOST_BYTES:
        raise Refused(f"the Parquet file unpacks to more than {MOST_BYTES // 2**20} MiB")
    if len(table) > most:
        raise Refused("the Parquet file holds more rows than it says")
    columns = [(name, table.column(name).to_pylist()) for name in wanted]
    if len({len(values) for _, values in columns}) > 1:
        raise Refused("the columns of the Parquet file are not of one length")
    return {"columns": [(name, _without_nan(values)) for name, values in columns], "clean": _clean(columns)}


def _check(schema: Any, name: str, lists: bool) -> None:
    places = schema.get_all_field_indices(name)
    if len(places) > 1:
        raise Refused("a column is given twice")
    kind = schema.field(places[0]).type
    while lists and any(is_list(kind) for is_list in LISTS):
        kind = kind.value_type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if not any(is_plain(kind) for is_plain in PLAIN):
        raise Refused("only columns of numbers, texts, and true or false are read")


def _without_nan(values: list[Any]) -> list[Any]:
    """NaN is how pandas writes a missing number."""
    return [None if value != value else value for value in values]


def _clean(columns: list[tuple[str, list[Any]]]) -> bool:
    return all(_finite(value) for _, values in columns for value in values)


def _finite(value: Any) -> bool:
    return not isinstance(value, list) and (type(value) is not float or not math.isinf(value))


if __name__ == "__main__":
    main()
