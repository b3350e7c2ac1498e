"""One captured request with its answer: what is kept of it, and how it is written as one line of JSON."""

from __future__ import annotations

from typing import Any

import msgspec


class Record(msgspec.Struct, kw_only=True):
    """`inputs` holds each field's values, one per row; those marked sensitive are only named, in `left_out`.

    `at` is when it came (epoch seconds), `ms` its latency, `outcome` is `done` or the kind of its error; `answer` has
    one value per row, as V1 says it, and is empty where there was none.
    """

    id: str
    at: float
    environment: str
    model: str
    package: int
    digest: str
    arm: str
    protocol: str
    status: int
    outcome: str
    ms: float
    rows: int
    inputs: dict[str, list[Any]]
    answer: list[Any]
    left_out: list[str]

    def instances(self) -> list[dict[str, Any]]:
        """Return the rows as V1 takes them, without the fields that were left out."""
        return [{name: values[row] for name, values in self.inputs.items()} for row in range(self.rows)]


_decoder = msgspec.json.Decoder(Record)


def dumps(record: Record) -> bytes:
    """Return one line of JSON without its end; raises ValueError for text that is no Unicode."""
    return msgspec.json.encode(record)


def loads(line: bytes) -> Record:
    """Read one line; raises ValueError in words for anything else."""
    try:
        return _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"A captured request cannot be read: {error}.") from error
