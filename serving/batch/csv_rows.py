"""Rows of CSV: read by whole columns with Arrow, by hand where that is not possible; written as they came, and more."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow

from serving.batch.checking import Read, by_hand, columns
from serving.batch.places import durable, plain
from serving.batch.plan import Chunk, Plan, Unusable
from serving.batch.scanning import spans
from serving.batch.texts import Made, cells
from serving.contract import Decoder, Field, tabular

KINDS = {"boolean": pa.bool_(), "integer": pa.int64(), "long": pa.int64(), "string": pa.string()}
TRUE = [text for text, value in tabular.BOOLS.items() if value]
FALSE = [text for text, value in tabular.BOOLS.items() if not value]
# Arrow reads numbers of this form too; here they are none.
HEXADECIMAL = (b"0x", b"0X")


def must_fit(decoder: Decoder, names: Sequence[str]) -> None:
    """Raise Unusable for columns from which no row can be read."""
    if decoder.signature.tensor is not None:
        raise Unusable("This model takes tensors, which CSV cannot hold. Send JSON lines.")
    missing = [field.name for field in decoder.fields if field.required and field.name not in names]
    if missing:
        raise Unusable(f"The first line does not name {', '.join(missing[:20])}, which the model needs.")


class Records:
    """The rows of one chunk, or some of them: their bytes, and where each begins and ends."""

    def __init__(self, data: bytes, names: Sequence[str], at: tuple[np.ndarray, np.ndarray] | None = None) -> None:
        self._data, self._names = data, list(names)
        self._starts, self._stops = spans(data, quotes=True) if at is None else at
        self.rows = len(self._starts)

    @classmethod
    def of_chunk(cls, folder: Path, plan: Plan, chunk: Chunk) -> Records:
        with plain(folder, plan.packed).open("rb") as source:
            source.seek(chunk.start)
            return cls(source.read(chunk.stop - chunk.start), plan.columns)

    def take(self, places: np.ndarray) -> Records:
        """Return the rows at these places as records of their own."""
        chosen = self._lines(places)
        return Records(b"\n".join(chosen), self._names)

    def read(self, decoder: Decoder) -> Read:
        """Return the rows, checked; the fields stand in columns of their names, in any order, beside others."""
        found = self._by_columns(decoder.fields)
        if found is None:
            return by_hand(decoder, self._by_hand(decoder.fields, range(self.rows)))
        return columns(decoder, *found, lambda place: next(self._by_hand(decoder.fields, [place])))

    def write(self, target: Path, plan: Plan, made: Made) -> None:
        """Write the answered rows as they came, with the answers behind them."""
        rows, parts = len(made.places), [self._lines(made.places)]
        for column in cells(made, plan.outputs):
            parts += [[b","] * rows, column]
        parts.append([plan.ending.encode()] * rows)
        # One list of all pieces, row by row, is joined in one go.
        pieces = [b""] * (rows * len(parts))
        for at, part in enumerate(parts):
            pieces[at :: len(parts)] = part
        with durable(target) as sink:
            sink.write(b"".join(pieces))

    def _lines(self, places: np.ndarray) -> list[bytes]:
        data = self._data
        pairs = zip(self._starts[places].tolist(), self._stops[places].tolist(), strict=True)
        return [data[start:stop] for start, stop in pairs]

    def _by_columns(self, fields: Sequence[Field]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]] | None:
        """Return columns and where they have no value, or None for what Arrow cannot read, or would read otherwise."""
        if any(form in self._data for form in HEXADECIMAL):
            return None
        given = [field for field in fields if field.name in set(self._names)]
        try:
            table = self._table(given)
        except pa.ArrowInvalid:
            return None
        if len(table) != self.rows:
            return None
        found, missing = {}, {}
        for field in fields:
            if field not in given:
                found[field.name] = np.full(self.rows, np.nan if field.type != "string" else None)
                continue
            found[field.name], missing[field.name] = arrays(field, table.column(field.name), empty=True)
        return found, missing

    def _table(self, fields: Sequence[Field]) -> pa.Table:
        size = len(self._data) + 1
        return arrow.read_csv(
            pa.py_buffer(self._data),
            arrow.ReadOptions(use_threads=False, block_size=max(size, 2), column_names=self._names),
            arrow.ParseOptions(newlines_in_values=b'"' in self._data),
            arrow.ConvertOptions(
                column_types={field.name: KINDS.get(field.type, pa.float64()) for field in fields},
                include_columns=[field.name for field in fields],
                null_values=sorted(tabular.MISSING),
                strings_can_be_null=False,
                true_values=TRUE,
                false_values=FALSE,
            ),
        )

    def _by_hand(self, fields: Sequence[Field], places: Iterable[int]) -> Iterator[Any]:
        """Yield each row's values in the order of the fields, or what is wrong with it as a whole."""
        at = {name: place for place, name in enumerate(self._names)}
        order = [at.get(field.name) for field in fields]
        for place in places:
            row = self._row(place)
            if isinstance(row, str):
                yield row
            else:
                yield tabular.values([[None if at is None else row[at] for at in order]], fields)[0]

    def _row(self, place: int) -> list[str] | str:
        try:
            text = self._data[self._starts[place] : self._stops[place]].decode("utf-8")
            row = next(csv.reader(io.StringIO(text, newline=""), strict=True))
        except UnicodeDecodeError:
            return "is not UTF-8 text"
        except csv.Error:
            return "is not CSV that can be read"
        if len(row) != len(self._names):
            return f"has {len(row)} values, and the first line names {len(self._names)} columns"
        return row


def arrays(field: Field, column: pa.ChunkedArray, *, empty: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return the values and where there is none: NaN among numbers with fractions, None among texts, else 0.

    With `empty` an empty text is none.
    """
    if field.type == "string":
        return _objects(column, empty)
    missing = column.is_null().to_numpy()
    if pa.types.is_floating(column.type):
        return _writable(column.fill_null(float("nan"))), missing
    return _writable(column.fill_null(False if pa.types.is_boolean(column.type) else 0)), missing


def _writable(column: pa.ChunkedArray) -> np.ndarray:
    found: np.ndarray = column.to_numpy()
    return found if found.flags.writeable else found.copy()


def _objects(column: pa.ChunkedArray, empty: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return Python texts, one object for each that is different, and where there is none."""
    coded = column.dictionary_encode().unify_dictionaries().combine_chunks()
    names = [*coded.dictionary.to_pylist(), None]
    texts = np.array([None if empty and name == "" else name for name in names], object)
    codes = coded.indices.fill_null(len(names) - 1).to_numpy(zero_copy_only=False)
    return texts[codes], np.array([text is None for text in texts], bool)[codes]
