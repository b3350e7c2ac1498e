"""Rows of Parquet: cut into parts of whole rows, read by columns, written as a table with more of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from serving.batch.checking import Read, by_hand, columns
from serving.batch.csv_rows import arrays
from serving.batch.places import PARTS, durable, part
from serving.batch.plan import Chunk, Plan, Unusable
from serving.batch.texts import Made
from serving.contract import Decoder, Field

# Which types of Arrow hold nothing that their field's type cannot.
FITS = {
    "boolean": (pa.types.is_boolean,),
    "integer": (pa.types.is_signed_integer, pa.types.is_uint8, pa.types.is_uint16, pa.types.is_uint32),
    "long": (pa.types.is_signed_integer, pa.types.is_uint8, pa.types.is_uint16, pa.types.is_uint32),
    "float": (pa.types.is_float32, pa.types.is_float64, pa.types.is_integer),
    "double": (pa.types.is_float32, pa.types.is_float64, pa.types.is_integer),
    "string": (pa.types.is_string, pa.types.is_large_string),
}
WIDEST = {"integer": pa.int64(), "long": pa.int64(), "float": pa.float64(), "double": pa.float64()}


def cut(folder: Path, source: Path, rows: int) -> tuple[list[Chunk], list[str]]:
    """Write the file's rows as parts of `rows` each at most; return them and the columns. Raises Unusable."""
    chunks: list[Chunk] = []
    first = 1
    try:
        file = pq.ParquetFile(source, memory_map=True, pre_buffer=False)
        for batch in file.iter_batches(batch_size=rows, use_threads=False):
            with durable(part(folder, PARTS, len(chunks))) as sink, pa.ipc.new_file(sink, batch.schema) as writer:
                writer.write_batch(batch)
            chunks.append(Chunk(len(chunks), 0, 0, first, batch.num_rows))
            first += batch.num_rows
    except pa.ArrowException as error:
        raise Unusable("The file is not Parquet that can be read to its end.") from error
    return chunks, list(file.schema_arrow.names)


def must_fit(decoder: Decoder, names: Sequence[str]) -> None:
    """Raise Unusable for columns from which no row can be read."""
    if decoder.signature.tensor is not None:
        raise Unusable("This model takes tensors, which are not read from Parquet. Send JSON lines.")
    if len(set(names)) < len(names):
        raise Unusable("The file has two columns of one name.")
    missing = [field.name for field in decoder.fields if field.required and field.name not in names]
    if missing:
        raise Unusable(f"The file has no column {', '.join(missing[:20])}, which the model needs.")


class Records:
    """The rows of one part, or some of them."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.rows = len(table)

    @classmethod
    def of_chunk(cls, folder: Path, plan: Plan, chunk: Chunk) -> Records:
        with pa.memory_map(str(part(folder, PARTS, chunk.number))) as source:
            return cls(pa.ipc.open_file(source).read_all())

    def take(self, places: np.ndarray) -> Records:
        """Return the rows at these places as records of their own."""
        return Records(self._table.take(places))

    def read(self, decoder: Decoder) -> Read:
        """Return the rows, checked; the fields stand in columns of their names, in any order, beside others."""
        found, missing = {}, {}
        for field in decoder.fields:
            if field.name not in self._table.column_names:
                found[field.name] = np.full(self.rows, np.nan if field.type != "string" else None)
            elif (column := self._wide(field)) is None:
                return by_hand(decoder, self._by_hand(decoder.fields, range(self.rows)))
            else:
                found[field.name], missing[field.name] = arrays(field, column)
        return columns(decoder, found, missing, lambda place: next(self._by_hand(decoder.fields, [place])))

    def write(self, target: Path, plan: Plan, made: Made) -> None:
        """Write the answered rows as they came, with the answers in columns behind them, as one row group."""
        table = self._table if len(made.places) == self.rows else self._table.take(made.places)
        for name, values in zip(plan.added(), _columns(made), strict=True):
            table = table.append_column(name, values)
        with durable(target) as sink:
            pq.write_table(table, sink)

    def _wide(self, field: Field) -> pa.ChunkedArray | None:
        """Return the column in the field's widest type, None where its values must be looked at one by one."""
        column = self._table.column(field.name)
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if not any(fits(column.type) for fits in FITS[field.type]):
            return None
        try:
            return column.cast(WIDEST[field.type]) if field.type in WIDEST else column
        except pa.ArrowInvalid:
            return None  # a whole number that no floating-point number is equal to

    def _by_hand(self, fields: Sequence[Field], places: Iterable[int]) -> Iterator[Any]:
        """Yield each row's values in the order of the fields; NaN is how pandas writes a missing number."""
        given = [self._table.column(f.name) if f.name in self._table.column_names else None for f in fields]
        for place in places:
            row = [None if column is None else column[place].as_py() for column in given]
            yield [None if value != value else value for value in row]


def _columns(made: Made) -> Iterator[pa.Array]:
    if made.values is not None:
        yield from (pa.array(made.values[:, at]) for at in range(made.values.shape[1]))
    else:
        yield pa.array(made.labels or [])
        if made.probabilities is not None:
            for at in range(made.probabilities.shape[1]):
                yield pa.array(made.probabilities[:, at], from_pandas=True)
    yield pa.array(made.packages.astype(np.int64))
