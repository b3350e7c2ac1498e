"""A model in a process of its own: what it computes, hangs on or dies of never holds up the gateway's other callers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from serving.contract import Batch
from serving.runtimes import wire
from serving.runtimes.base import Answer, ModelDied, ModelError, ModelFailed

ROOT = Path(__file__).parents[2]
# A call that takes longer than any deadline hangs; its process is ended, and the next call gets a new one.
PATIENCE_SECONDS, LOAD_SECONDS = 60.0, 120.0
# The packages of a gateway share its cores: a pool of threads per model would fight over them.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Nursery:
    """Starts the process that models are forked from when the first one is wanted, and again when it has died."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._end: Callable[[], object] = _nothing

    def child(self) -> Connection:
        """Return the line to a new child; raises OSError when there can be none."""
        ours, theirs = socket.socketpair()
        with theirs, self._lock:
            try:
                self._hand_over(theirs)
            except OSError:
                self._stop()
                self._hand_over(theirs)
        return Connection(ours.detach())

    def close(self) -> None:
        """End it, and with it every child."""
        with self._lock:
            self._stop()

    def _stop(self) -> None:
        self._end()
        self._control, self._end = None, _nothing

    def _hand_over(self, place: socket.socket) -> None:
        if self._control is None:
            self._control = self._start()
        socket.send_fds(self._control, [b"."], [place.fileno()])

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
            process = subprocess.Popen(
                [sys.executable, "-m", "serving.runtimes.nursery", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, **ONE_THREAD, "PYTHONPATH": path},
            )
        # One that is forgotten ends too: a gateway has one for life, a test many.
        self._end = weakref.finalize(self, _end, process, ours)
        return ours


def _nothing() -> None:
    """Nothing was started, so nothing is to be ended."""


def _end(process: subprocess.Popen[bytes], control: socket.socket) -> None:
    control.close()
    process.kill()
    process.wait()


class Apart:
    """A runtime whose model lives in a child of the nursery; one call at a time. `died` is told of each death."""

    inline = False

    def __init__(self, nursery: Nursery, folder: Path, artefact: str, died: Callable[[], None]) -> None:
        self._nursery, self._died = nursery, died
        self._order = msgspec.json.encode((str(folder), artefact))
        self._line: Connection | None = None
        self.probable = self._begin().probable

    def predict(self, batch: Batch) -> Answer:
        """Raise ModelDied when the process ended or hung, ModelFailed for what the model raised, and ModelError."""
        if self._line is None:
            self._begin()
        found = self._exchange(wire.question(batch), PATIENCE_SECONDS)
        if found.raised is not None:
            raise ModelFailed(found.raised) if found.words is None else ModelError(found.words)
        return wire.answer_of(found)

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    def _begin(self) -> wire.Reply:
        """Load the model in a new process; raises ModelError in words when it cannot be, ModelDied when it ends."""
        try:
            self._line = self._nursery.child()
        except OSError as error:
            raise ModelDied("no process can be started for the model") from error
        found = self._exchange(self._order, LOAD_SECONDS)
        if found.raised is not None:
            self.close()
            raise ModelError(found.words or f"The model cannot be loaded ({found.raised}).")
        return found

    def _exchange(self, data: bytes, patience: float) -> wire.Reply:
        assert self._line is not None  # noqa: S101 - `_begin` has set it
        try:
            self._line.send_bytes(data)
            if not self._line.poll(patience):
                raise TimeoutError
            return wire.read_reply(self._line.recv_bytes())
        except (EOFError, OSError, msgspec.MsgspecError) as error:
            self.close()
            self._died()
            how = f"did not answer within {patience:g} s" if isinstance(error, TimeoutError) else "ended"
            raise ModelDied(f"the model's process {how}") from error
