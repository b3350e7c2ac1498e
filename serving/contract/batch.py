"""The rows of one request, column by column, ready for a model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from serving.contract.errors import whole

# More rows in one request would keep the gateway's other callers waiting; batches of any size are sent in parts.
MOST_ROWS = 10_000


@dataclass(slots=True)
class Batch:
    """`columns` holds one array per input, by name, in the signature's order: (rows,) or, for a tensor, (rows, …)."""

    rows: int
    columns: dict[str, np.ndarray]

    def take(self, row: int) -> Batch:
        """Return one row as a batch of its own."""
        return Batch(1, {name: values[row : row + 1] for name, values in self.columns.items()})


def refuse_many(rows: int, most: float = MOST_ROWS) -> None:
    """Raise ContractError for a request with more than `most` rows."""
    if rows > most:
        raise whole(f"a request can hold {most:,} rows at most; send more rows in several requests")
