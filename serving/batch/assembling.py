"""The chunks put together in the input's order: one output, one file of errors, each whole or not there."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow.parquet as pq

from serving.batch.places import ERRORS, MADE, OUTPUT, REFUSED, durable, part
from serving.batch.plan import Plan
from serving.batch.texts import header

BLOCK, LEVEL = 2**20, 5


def assemble(folder: Path, plan: Plan, chunks: Sequence[int], *, output: bool = True) -> None:
    """Write `errors.csv` from the wrong rows of these chunks, and `output`, in the input's form, from their answers.

    Whoever does it again, and however often, writes the same bytes.
    """
    with durable(folder / ERRORS) as sink:
        sink.write(b"row,field,rule\n")
        _append(sink, (part(folder, REFUSED, number) for number in chunks))
    if output:
        _join(folder, plan, [part(folder, MADE, number) for number in chunks])


def _join(folder: Path, plan: Plan, parts: Sequence[Path]) -> None:
    if plan.form == "parquet":
        _join_tables(folder / OUTPUT, parts)
        return
    with durable(folder / OUTPUT) as file, _packed(file, plan.packed) as sink:
        if plan.form == "csv":
            sink.write(header(plan.columns, plan.added(), plan.ending))
        _append(sink, parts)


def _append(sink: BinaryIO, paths: Sequence[Path] | Iterator[Path]) -> None:
    for path in paths:
        with path.open("rb") as source:
            shutil.copyfileobj(source, sink, BLOCK)


@contextmanager
def _packed(file: BinaryIO, packed: bool) -> Iterator[BinaryIO]:
    """Write gzip without a time and a name in it: equal contents are equal files."""
    if not packed:
        yield file
        return
    with gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=LEVEL, mtime=0) as sink:
        yield cast("BinaryIO", sink)


def _join_tables(target: Path, parts: Sequence[Path]) -> None:
    """Write one row group for each part."""
    schema = pq.read_schema(parts[0])
    with durable(target) as sink, pq.ParquetWriter(sink, schema) as writer:
        for path in parts:
            writer.write_table(pq.read_table(path, use_threads=False), row_group_size=_rows(path))


def _rows(path: Path) -> int:
    return max(1, int(pq.read_metadata(path).num_rows))
