"""Reads Parquet bodies with the help of one child process, started when the first such request comes."""

from __future__ import annotations

import contextlib
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec

from serving.contract.batch import MOST_ROWS
from serving.contract.errors import whole
from serving.gateway.batcher import Busy

CHILD = Path(__file__).with_name("parquet_child.py")
# The child ends itself long before; this is for one that was stopped, or starts on a very busy machine.
PATIENCE_SECONDS, QUEUE_SECONDS = 20.0, 3.0
Columns = dict[str, list[Any]]


class ParquetReader:
    """One child, one file at a time. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None

    def read(self, body: bytes, names: list[str] | None, *, lists: bool = False) -> tuple[Columns, bool]:
        """Return those of the named columns that the file has (None: all), and whether they are free of infinity.

        Missing values and NaN are None. `lists`: columns may hold lists. Raises ContractError, and Busy.
        """
        asked = msgspec.json.encode({"names": names, "rows": MOST_ROWS, "lists": lists})
        if not self._lock.acquire(timeout=QUEUE_SECONDS):
            raise Busy(1)
        try:
            answer = msgspec.msgpack.decode(self._ask(struct.pack("<QQ", len(asked), len(body)) + asked + body))
        finally:
            self._lock.release()
        if "refused" in answer:
            raise whole(answer["refused"])
        return dict(answer["columns"]), answer["clean"]

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._gone(self._child)

    def _ask(self, message: bytes) -> bytes:
        for _ in range(2):
            child = self._child or self._start()
            answer = _exchange(child, message)
            if answer is not None:
                return answer
            if self._gone(child) != 0:
                break
            # It had just ended by itself, for want of work.
        raise whole("reading the Parquet file took more time or memory than one request may take")

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        self._child = subprocess.Popen(
            [sys.executable, "-I", str(CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # The other allocators keep what they once had, and reserve more than the child may have.
            env={**environment, "ARROW_DEFAULT_MEMORY_POOL": "system"},
            start_new_session=True,
        )
        return self._child

    def _gone(self, child: subprocess.Popen[bytes]) -> int:
        self._child = None
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                _close(pipe)
        return child.wait()


def _exchange(child: subprocess.Popen[bytes], message: bytes) -> bytes | None:
    """Return the child's answer, None when it ended without one."""
    assert child.stdin  # noqa: S101 - a pipe, as all that this module starts
    assert child.stdout  # noqa: S101
    timer = threading.Timer(PATIENCE_SECONDS, child.kill)
    timer.start()
    try:
        child.stdin.write(message)
        child.stdin.flush()
        head = child.stdout.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
        answer = child.stdout.read(length)
        return answer if length and len(answer) == length else None
    except OSError:
        return None
    finally:
        timer.cancel()


def _close(pipe: Any) -> None:
    with contextlib.suppress(OSError):  # what was not yet written cannot be
        pipe.close()


READER = ParquetReader()
