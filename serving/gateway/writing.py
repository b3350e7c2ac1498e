"""Lines for the log, written by a thread: a log that nobody reads, or a full disk, holds up no request."""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec

STDERR = 2
MOST_WAITING, MOST_AT_ONCE = 4096, 256
LAST_WORDS_SECONDS = 0.3
FORMS = ("text", "json")
# What is said: a level, and names with their values; made by the thread.
Said = tuple[str, dict[str, Any]]
Waiting = tuple[float, Callable[[], Said]] | threading.Event


class Writer:
    """Writes lines to a file descriptor in the order given; those over MOST_WAITING are dropped and counted."""

    def __init__(self, form: str = "text", out: int = STDERR) -> None:
        self._encode, self._out = ENCODERS[form], out
        self._waiting: queue.SimpleQueue[Waiting] = queue.SimpleQueue()
        self.dropped = 0

    def start(self) -> None:
        threading.Thread(target=self._run, daemon=True, name="log").start()

    def put(self, make: Callable[[], Said]) -> None:
        """Have a line written; `make` is called in the thread. Never waits."""
        if self._waiting.qsize() >= MOST_WAITING:
            self.dropped += 1
            return
        self._waiting.put((time.time(), make))

    def finish(self, seconds: float = LAST_WORDS_SECONDS) -> bool:
        """Give the lines so far this long to be written; False when they were not."""
        written = threading.Event()
        self._waiting.put(written)
        return written.wait(seconds)

    def _run(self) -> None:
        told = 0
        while True:
            batch = [self._waiting.get()]
            while len(batch) < MOST_AT_ONCE and not self._waiting.empty():
                batch.append(self._waiting.get())
            lines = [self._line(*item) for item in batch if not isinstance(item, threading.Event)]
            if self.dropped > told:
                told, missing = self.dropped, self.dropped - told
                lines.append(self._line(time.time(), partial(_missing, missing)))
            self._write(b"".join(lines))
            for item in batch:
                if isinstance(item, threading.Event):
                    item.set()

    def _line(self, at: float, make: Callable[[], Said]) -> bytes:
        try:
            level, fields = make()
        except Exception as failure:
            level, fields = "ERROR", {"message": f"A line could not be made: {type(failure).__name__}."}
        return self._encode(at, level, fields) + b"\n"

    def _write(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._out, data) :]
        except OSError:
            # Nobody is left to tell; the next lines may find a reader again.
            return


def _missing(count: int) -> Said:
    return "WARNING", {"message": f"{count} lines were dropped: the log was not written as fast as they came."}


class Handler(logging.Handler):
    """Sends the records of `logging` the same way, so that no thread of the gateway waits for them."""

    def __init__(self, writer: Writer) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        self._writer.put(lambda: (record.levelname, {"message": text}))

    def flush(self) -> None:
        self._writer.finish()


def as_json(at: float, level: str, fields: dict[str, Any]) -> bytes:
    """Return one JSON object, time (UTC) and level first."""
    when = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return msgspec.json.encode({"time": when, "level": level} | fields)


def as_text(at: float, level: str, fields: dict[str, Any]) -> bytes:
    """Return a line for people: local time, level, the message, then name=value."""
    when = datetime.fromtimestamp(at).astimezone().isoformat(" ", "milliseconds")[:23]
    said = [str(fields["message"])] + [f"{name}={value}" for name, value in fields.items() if name != "message"]
    return " ".join([when, level, *said]).encode("utf-8", "replace")


ENCODERS: dict[str, Callable[[float, str, dict[str, Any]], bytes]] = {"text": as_text, "json": as_json}
