"""Where the files of a job lie in its folder, and how one is written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

UPLOADED, PLAIN = "input", "plain"
PARTS, MADE, REFUSED = "parts", "made", "refused"
OUTPUT, ERRORS = "output", "errors.csv"


def plain(folder: Path, packed: bool) -> Path:
    """Return the unpacked input."""
    return folder / (PLAIN if packed else UPLOADED)


def part(folder: Path, kind: str, number: int) -> Path:
    """Return a chunk's own file: of the input, of the output, or of its wrong rows."""
    return folder / kind / f"{number:06d}"


@contextmanager
def durable(target: Path) -> Iterator[BinaryIO]:
    """Write a file that is there, on disk, when it is whole; two who write the same one do no harm."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with draft.open("wb") as sink:
            yield sink
            sink.flush()
            os.fsync(sink.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
