"""Which package was loading or answering when the process ended: kept so that a deadly one is left out (D18)."""

from __future__ import annotations

import logging
import mmap
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from serving.gateway.disk import write_atomically

WINDOW, DEATHS = 60.0, 2
SLOTS, SLOT, DIGEST = 512, 80, 71
# Ended from outside; a kernel that kills for memory looks the same, and then a load is still to blame.
KILLED = frozenset({-9, 137})
# It ended in good order, or was killed together with all of Slipway: then nobody is to blame, whatever it was doing.
BLAMELESS = 0
log = logging.getLogger("slipway.gateway")


class Death(msgspec.Struct, frozen=True):
    """The process ended at `at` (epoch) while it ran this package."""

    package: str
    at: float


class Book(msgspec.Struct):
    """What is known from earlier runs. `quarantined` maps a package digest to the time of its last death."""

    deaths: list[Death] = []
    quarantined: dict[str, float] = {}


class Journal:
    """Marks on disk that outlive the process. Marking an answer is two stores into mapped memory."""

    def __init__(self, folder: Path, *, last_exit: int | None = None, clock: Callable[[], float] = time.time) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._book_path, self._loading = folder / "journal.json", folder / "loading"
        self._book = _read(self._book_path)
        self._marks = _open(folder / "answering")
        self._taken: set[int] = set()
        self._clock, self._lock = clock, threading.Lock()
        self.blame(*sorted(set() if last_exit == BLAMELESS else self._caught(last_exit)))
        self.clear()

    @property
    def quarantined(self) -> dict[str, float]:
        """The packages that must not be loaded: digest to the time of the last death."""
        return self._book.quarantined

    @contextmanager
    def loading(self, digest: str) -> Iterator[None]:
        """Mark that this package is being loaded and warmed; where the disk is full it goes unmarked."""
        with _told("Which package is being loaded"):
            # It is for the next start after a crash of this process; a power cut has no package to blame.
            write_atomically(self._loading, digest.encode(), durable=False)
        try:
            yield
        finally:
            self._loading.unlink(missing_ok=True)

    def slot(self, digest: str) -> int:
        """Return a place for this package's marks, for `enter` and `leave`; the next byte is for its worker thread."""
        place = next(place for place in range(0, SLOTS * SLOT, SLOT) if place not in self._taken)
        self._taken.add(place)
        self._marks[place : place + 2 + DIGEST] = b"\0\0" + digest.encode().ljust(DIGEST)[:DIGEST]
        return place

    def release(self, place: int) -> None:
        """Give the place of an unloaded package back."""
        self._taken.discard(place)

    def enter(self, place: int) -> None:
        self._marks[place] = 1

    def leave(self, place: int) -> None:
        self._marks[place] = 0

    def lift(self, wanted: set[str]) -> None:
        """Forget the quarantine of packages that no table wants any more."""
        with self._lock:
            if gone := self._book.quarantined.keys() - wanted:
                for digest in gone:
                    del self._book.quarantined[digest]
                self._save()

    def clear(self) -> None:
        """Note that nothing runs: at the start, and when the process ends in good order."""
        self._marks[:] = bytes(SLOTS * SLOT)
        self._loading.unlink(missing_ok=True)

    def blame(self, *digests: str) -> None:
        """Note that these packages ended the process that ran them; twice within a minute is quarantine."""
        now = self._clock()
        with self._lock:
            recent = [death for death in self._book.deaths if abs(now - death.at) <= WINDOW]
            self._book.deaths = recent + [Death(digest, now) for digest in digests]
            for digest in digests:
                if sum(death.package == digest for death in self._book.deaths) >= DEATHS:
                    self._book.quarantined[digest] = now
            self._save()

    def _caught(self, last_exit: int | None) -> set[str]:
        """The packages that were being loaded, or were answering, when the last process ended."""
        loading = {self._loading.read_text()} if self._loading.exists() else set()
        return loading if last_exit in KILLED else loading | set(_marked(self._marks))

    def _save(self) -> None:
        with _told("Which packages ended this gateway"):
            write_atomically(self._book_path, msgspec.json.encode(self._book))


@contextmanager
def _told(what: str) -> Iterator[None]:
    """A full disk must not keep a gateway from starting and answering with what it has."""
    try:
        yield
    except OSError as error:
        log.error("%s cannot be written down: %s.", what, error.strerror)


def _marked(marks: mmap.mmap) -> Iterator[str]:
    for place in range(0, SLOTS * SLOT, SLOT):
        if marks[place] or marks[place + 1]:
            yield marks[place + 2 : place + 2 + DIGEST].decode(errors="replace").strip()


def _open(path: Path) -> mmap.mmap:
    with _told("What runs in this gateway"), path.open("a+b") as file:
        file.truncate(SLOTS * SLOT)
        if hasattr(os, "posix_fallocate"):
            # A mapped page that the disk has no room for would end the process at the first mark.
            os.posix_fallocate(file.fileno(), 0, SLOTS * SLOT)
        return mmap.mmap(file.fileno(), SLOTS * SLOT)
    return mmap.mmap(-1, SLOTS * SLOT)


def _read(path: Path) -> Book:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Book)
    except (OSError, msgspec.MsgspecError):
        return Book()
