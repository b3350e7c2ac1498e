"""What a gateway and a model in a process of its own say to each other: plain values and raw numbers, never pickles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from serving.contract import Batch
from serving.runtimes.base import Answer

EVERYTHING = np.dtype(object)


class Array(msgspec.Struct, array_like=True, frozen=True):
    """A numpy array: its bytes in C order, or a list of its elements where they are texts."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes | list[Any]


class Question(msgspec.Struct, array_like=True, frozen=True):
    """The rows of one call."""

    rows: int
    columns: dict[str, Array]


class Reply(msgspec.Struct, array_like=True, frozen=True):
    """The answer to a call, or why there is none: `words` may be shown to a caller, `raised` is an exception's class.

    The first reply of a process says only that the model is loaded, and whether it is `probable`.
    """

    values: Array | None = None
    labels: list[Any] | None = None
    probabilities: Array | None = None
    classes: list[Any] | None = None
    probable: bool = False
    words: str | None = None
    raised: str | None = None


def pack(found: np.ndarray | None) -> Array | None:
    """Return an array to send."""
    if found is None:
        return None
    return Array(found.dtype.str, found.shape, found.ravel().tolist() if found.dtype == EVERYTHING else found.tobytes())


def unpack(array: Array | None) -> np.ndarray | None:
    """Return the array that was sent, writable; raises ValueError where its parts do not fit each other."""
    if array is None:
        return None
    if isinstance(array.data, list):
        found = np.empty(len(array.data), object)
        found[:] = array.data
        return found.reshape(array.shape)
    return np.frombuffer(array.data, np.dtype(array.dtype)).reshape(array.shape).copy()


def question(batch: Batch) -> bytes:
    """Return a call's rows as bytes."""
    columns = {name: pack(values) for name, values in batch.columns.items()}
    return msgspec.msgpack.encode(Question(batch.rows, columns))  # type: ignore[arg-type]


def read_question(data: bytes) -> Batch:
    """Return the rows that `question` wrote."""
    found = msgspec.msgpack.decode(data, type=Question)
    columns: Mapping[str, Any] = {name: unpack(array) for name, array in found.columns.items()}
    return Batch(found.rows, dict(columns))


def reply(answer: Answer) -> bytes:
    """Return an answer as bytes."""
    classes = None if answer.classes is None else list(answer.classes)
    return msgspec.msgpack.encode(Reply(pack(answer.values), answer.labels, pack(answer.probabilities), classes))


def read_reply(data: bytes) -> Reply:
    """Return a reply; raises msgspec.MsgspecError for anything else."""
    return msgspec.msgpack.decode(data, type=Reply)


def answer_of(found: Reply) -> Answer:
    """Return the answer that `reply` wrote."""
    return Answer(unpack(found.values), found.labels, unpack(found.probabilities), found.classes)
