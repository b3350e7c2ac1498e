"""One `up` per data folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dashboard.supervisor.trouble import Trouble


@contextmanager
def only_one(var: Path) -> Iterator[bool]:
    """Hold the folder's lock, which ends with the process; yields whether its last holder was killed.

    Raises Trouble, with the holder's pid, when it is held.
    """
    file = os.open(var / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        pid = os.read(file, 20).decode() or "unknown"
        os.close(file)
        raise Trouble(
            f"Slipway runs already on {var}, as process {pid}. Stop that one first, or use another folder: "
            "VAR=/another/folder make up"
        ) from None
    killed = bool(os.fstat(file).st_size)
    os.ftruncate(file, 0)
    os.write(file, str(os.getpid()).encode())
    try:
        yield killed
    finally:
        os.ftruncate(file, 0)
        os.close(file)
