"""Bodies of nothing but brackets are refused unread: all other requests stand still while a million lists are made."""

from __future__ import annotations

import math
from collections.abc import Sequence

from serving.contract.batch import MOST_ROWS
from serving.contract.errors import whole
from serving.contract.fields import Field

# Shorter bodies cannot hold enough to matter.
LONG = 64 * 1024
# What no request needs beside its rows.
SPARE = 10_000


def refuse(body: bytes, fields: Sequence[Field]) -> None:
    """Raise ContractError for a body of JSON with more lists and objects than 10,000 rows of these fields can have."""
    if len(body) <= LONG:
        return
    most = MOST_ROWS * _lists(fields) + SPARE
    if _brackets(body) > most and _brackets(_without_texts(body)) > most:
        raise whole("the body is nested too deeply, or holds more lists and objects than this model's rows can have")


def _brackets(body: bytes) -> int:
    return body.count(b"[") + body.count(b"{")


def _without_texts(body: bytes) -> bytes:
    """Outside and inside of quotation marks take turns, once those inside are gone."""
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in body else body
    return b"".join(plain.split(b'"')[::2])


def _lists(fields: Sequence[Field]) -> int:
    """The most lists of one row: the row itself, one for each column, or those of a nested tensor."""
    shape = fields[0].shape or ()
    return 1 + max(len(fields), sum(math.prod(shape[:depth]) for depth in range(len(shape))))
