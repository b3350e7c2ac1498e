"""The rows of one request, column by column, ready for a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np

from serving.contract.errors import whole
from serving.contract.fields import Field

# More rows in one request would keep the gateway's other callers waiting; batches of any size are sent in parts.
MOST_ROWS = 10_000


class Layout:
    """How the columns of one signature lie in memory: those of one type together, so that a row costs few arrays."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self.names = [item.name for item in fields]
        kinds: dict[str, list[int]] = {}
        for place, item in enumerate(fields):
            kinds.setdefault(item.kind.dtype, []).append(place)
        self._blocks = [(dtype, None if len(kinds) == 1 else _getter(places)) for dtype, places in kinds.items()]
        order = [place for places in kinds.values() for place in places]
        starts = [(block, at) for block, places in enumerate(kinds.values()) for at in range(len(places))]
        self.places = [where for _, where in sorted(zip(order, starts, strict=True))]
        self.uniform = len(kinds) == 1

    def blocks(self, rows: Sequence[Sequence[Any]]) -> list[np.ndarray]:
        """Return one array (rows, columns of the type) per type."""
        return [
            np.array(rows if getter is None else [getter(row) for row in rows], dtype) for dtype, getter in self._blocks
        ]

    def columns(self, blocks: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Return the columns by name, as views of the blocks."""
        return {name: blocks[block][:, at] for name, (block, at) in zip(self.names, self.places, strict=True)}


def _getter(places: list[int]) -> Any:
    if len(places) > 1:
        return itemgetter(*places)
    only = places[0]
    return lambda row: (row[only],)


@dataclass(slots=True)
class Batch:
    """`columns` holds one array per input, by name, in the signature's order: (rows,) or, for a tensor, (rows, …)."""

    rows: int
    _columns: dict[str, np.ndarray] | None
    _layout: Layout | None = None
    _values: Sequence[Sequence[Any]] = ()
    _blocks: list[np.ndarray] | None = None

    @classmethod
    def laid_out(cls, layout: Layout, values: Sequence[Sequence[Any]]) -> Batch:
        """Return the batch of rows whose values come in the order of the layout's names."""
        return cls(len(values), None, layout, values)

    @classmethod
    def of_blocks(cls, layout: Layout, rows: int, blocks: list[np.ndarray]) -> Batch:
        """Return the batch of rows that came as the layout's own arrays."""
        return cls(rows, None, layout, (), blocks)

    @property
    def columns(self) -> dict[str, np.ndarray]:
        if self._columns is None:
            self._columns = self._layout.columns(self._arrays(self._layout)) if self._layout else {}
        return self._columns

    def matrix(self, dtype: Any) -> np.ndarray:
        """Return all columns side by side, (rows, columns), as `dtype`."""
        if self._layout is not None and self._layout.uniform:
            return self._arrays(self._layout)[0].astype(dtype, copy=False)
        return np.column_stack(list(self.columns.values())).astype(dtype, copy=False)

    def take(self, row: int) -> Batch:
        """Return one row as a batch of its own."""
        return Batch(1, {name: values[row : row + 1] for name, values in self.columns.items()})

    def _arrays(self, layout: Layout) -> list[np.ndarray]:
        """Made when the model is asked, so that requests that share a call share the arrays too."""
        if self._blocks is None:
            self._blocks = layout.blocks(self._values)
        return self._blocks


def join(batches: Sequence[Batch]) -> Batch:
    """Return the rows of all batches, in order; they must have been read by one signature."""
    if len(batches) == 1:
        return batches[0]
    layout = batches[0]._layout
    if layout is not None and all(batch._layout is layout and batch._values for batch in batches):
        return Batch.laid_out(layout, [row for batch in batches for row in batch._values])
    rows, names = sum(batch.rows for batch in batches), batches[0].columns
    return Batch(rows, {name: np.concatenate([batch.columns[name] for batch in batches]) for name in names})


def refuse_many(rows: int, most: float = MOST_ROWS) -> None:
    """Raise ContractError for a request with more than `most` rows."""
    if rows > most:
        raise whole(f"a request can hold {most:,} rows at most; send more rows in several requests")
