"""The binary tensor data extension: raw tensors behind the JSON, little-endian, row by row, in both directions.

FP16 is welcome here, and only here: each of its values is a float and a double too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from serving.contract.errors import named, whole
from serving.contract.wire import Input

DTYPES = {
    "BOOL": "u1",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
SIZE = "binary_data_size"
LENGTH_BYTES = 4
LONGEST_NUMBER = 12


def split(body: bytes, length: str) -> tuple[bytes, memoryview]:
    """Return the JSON and what follows it, by the header Inference-Header-Content-Length; raises ContractError."""
    if not (length.isascii() and length.isdigit() and len(length) <= LONGEST_NUMBER and int(length) <= len(body)):
        raise whole("the header Inference-Header-Content-Length must be the number of bytes of the JSON in the body")
    return body[: int(length)], memoryview(body)[int(length) :]


def parts(inputs: Sequence[Input], raw: memoryview) -> list[memoryview | None]:
    """Return each input's bytes, None for one whose data is in the JSON; raises ContractError."""
    found, start = [], 0
    for item in inputs:
        size = _size(item)
        found.append(None if size is None else raw[start : start + size])
        start += size or 0
    if start != len(raw):
        raise whole(f"{len(raw)} bytes follow the JSON, and the inputs' {SIZE} together say {start}")
    return found


def _size(item: Input) -> int | None:
    size = None if item.parameters is None else item.parameters.get(SIZE)
    if size is None:
        return None
    if type(size) is not int or size < 0:
        raise named(item.name, f"{SIZE} must be a whole number of bytes")
    if isinstance(item.data, list):
        raise named(item.name, f"has both data and {SIZE}; send one of them")
    return size


def values(name: str, datatype: str, count: int, raw: memoryview) -> np.ndarray:
    """Return a tensor's `count` elements: flat, of the datatype's own type, texts as objects; raises ContractError."""
    if datatype == "BYTES":
        return _texts(name, count, raw)
    dtype = np.dtype(DTYPES[datatype])
    if len(raw) != count * dtype.itemsize:
        raise named(name, f"{SIZE} must be {count * dtype.itemsize}: the shape has {count} elements of {datatype}")
    found = np.frombuffer(raw, dtype)
    if datatype != "BOOL":
        return found
    if found.size and found.max() > 1:
        raise named(name, "every byte of a BOOL must be 0 or 1")
    return found.astype(bool)


def _texts(name: str, count: int, raw: memoryview) -> np.ndarray:
    # Each element takes its length at least, so a shape that claims more is refused before anything is made.
    if count * LENGTH_BYTES > len(raw):
        raise named(name, f"{SIZE} is too small for the {count} elements of its shape")
    found, start = np.empty(count, object), 0
    for i in range(count):
        begin = start + LENGTH_BYTES
        start = begin + int.from_bytes(raw[start:begin], "little")
        if begin > len(raw) or start > len(raw):
            raise named(name, f"element {i} is longer than the bytes that {SIZE} leaves")
        try:
            found[i] = str(raw[begin:start], "utf-8")
        except UnicodeDecodeError:
            raise named(name, f"element {i} is not UTF-8 text") from None
    if start != len(raw):
        raise named(name, f"{SIZE} is larger than the {count} elements of its shape")
    return found


def encode(datatype: str, found: Sequence[object] | np.ndarray) -> bytes:
    """Return the elements of an output as the extension writes them."""
    if datatype == "BYTES":
        texts = [str(item).encode() for item in found]
        return b"".join(part for text in texts for part in (len(text).to_bytes(LENGTH_BYTES, "little"), text))
    return np.asarray(found).astype(DTYPES[datatype], copy=False).tobytes()


def elements(shape: Sequence[int]) -> int:
    """Return how many elements a shape has."""
    return math.prod(shape)
