"""Folders that are there whole or not at all: drafted beside their place, made durable, then given their name."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def drafted(parent: Path) -> Iterator[Path]:
    """Yield a new folder below `parent`; what is not published is thrown away."""
    parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=parent))
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def publish(draft: Path, target: Path) -> None:
    """Make every byte durable, then give the folder its name; another writer of the same bytes may be first."""
    draft.chmod(0o755)
    for path in (*draft.iterdir(), draft):
        sync(path)
    try:
        os.rename(draft, target)
    except OSError:
        if not target.is_dir():
            raise
    sync(target.parent)


def sync(path: Path) -> None:
    """Bring a file, or a folder's own entries, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
