"""The process that answers a job's rows, as a worker holds it: one order at a time, ended when it hangs."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import threading
from typing import BinaryIO, TypeVar, cast

import msgspec
from django.conf import settings

from serving.batch.plan import Orders, Reply, Unusable
from serving.runtimes.apart import ONE_THREAD

HEAD = struct.Struct("<Q")
KNOWN = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE")
T = TypeVar("T")


class Died(Exception):
    """The process ended, or had to be ended, before it had carried out the order."""


class Process:
    """Started by the first order, and again after it has died. For one thread."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None

    def order(self, order: Orders, result: type[T], seconds: float) -> T:
        """Have an order carried out; raises Unusable in words, and Died."""
        child = self._child or self._start()
        timer = threading.Timer(seconds, child.kill)
        timer.start()
        try:
            reply = msgspec.json.decode(_exchange(child, msgspec.json.encode(order)), type=Reply)
        except (OSError, EOFError, msgspec.MsgspecError) as error:
            over = not timer.is_alive()
            self.close()
            raise Died(f"did not end within {seconds:g} s" if over else "ended") from error
        finally:
            timer.cancel()
        if reply.refused:
            raise Unusable(reply.refused)
        return msgspec.convert(reply.done, result)

    def close(self) -> None:
        """End it, whatever it does."""
        if self._child is None:
            return
        child, self._child = self._child, None
        child.kill()
        for pipe in (child.stdin, child.stdout):
            try:
                pipe.close()  # type: ignore[union-attr]
            except OSError:
                continue  # what was not yet written cannot be
        child.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        known = {name: value for name, value in os.environ.items() if name in KNOWN}
        cache = settings.VAR / "batch-packages"
        cache.mkdir(parents=True, exist_ok=True)
        self._child = subprocess.Popen(
            [sys.executable, "-m", "serving.batch", str(cache)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=settings.BASE_DIR,
            # What the model may know: no secret of ours but the one that fetches packages.
            env=known
            | ONE_THREAD
            | {"PYTHONPATH": str(settings.BASE_DIR), "GATEWAY_TOKEN": settings.GATEWAY_TOKEN or ""}
            # Which installation it belongs to, for whoever looks at the processes of the machine.
            | {"BATCH_OF": str(settings.VAR)}
            # The other allocators keep what they once had.
            | {"ARROW_DEFAULT_MEMORY_POOL": "system"},
        )
        return self._child


def _exchange(child: subprocess.Popen[bytes], data: bytes) -> bytes:
    orders, replies = cast("BinaryIO", child.stdin), cast("BinaryIO", child.stdout)
    orders.write(HEAD.pack(len(data)) + data)
    orders.flush()
    return _read(replies, *HEAD.unpack(_read(replies, HEAD.size)))


def _read(pipe: BinaryIO, size: int) -> bytes:
    found = pipe.read(size)
    if len(found) < size:
        raise EOFError
    return found
