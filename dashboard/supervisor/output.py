"""What the children say: a prefixed line for the person, the whole of it in a log file that cannot grow without end."""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, TextIO

LOG_BYTES = 5_000_000
LONGEST_LINE = 8_192
COLOURS = (36, 32, 35, 33, 34, 96, 92, 95, 93, 94)
PLAIN, BAD, DIM = 0, 31, 2


class Console:
    """The terminal (or whatever stands there instead): one line at a time, colours only for a tty."""

    def __init__(self, stream: TextIO | None = None, width: int = 8) -> None:
        self.stream = stream or sys.stdout
        self.width = width
        self.colours: dict[str, int] = {}
        self.coloured = self.stream.isatty() and not os.environ.get("NO_COLOR")

    def child(self, name: str, text: str, colour: int = PLAIN) -> None:
        """Print a child's line behind its name."""
        own = self.colours.setdefault(name, COLOURS[len(self.colours) % len(COLOURS)])
        self.plain(f"{self._painted(f'{name:<{self.width}} |', own)} {self._painted(text, colour)}")

    def bad(self, name: str, text: str) -> None:
        self.child(name, text, BAD)

    def plain(self, text: str = "") -> None:
        """Print a line as it stands; a terminal that went away stops nothing."""
        try:
            print(text, file=self.stream, flush=True)
        except (OSError, ValueError):
            self.stream = open(os.devnull, "w")  # noqa: SIM115 - stays open to the end

    def _painted(self, text: str, colour: int) -> str:
        return f"\033[{colour}m{text}\033[0m" if self.coloured and colour else text


class Log:
    """One child's log file; at LOG_BYTES it is moved to `<name>.log.1` and begun again."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = path
        self.file = self._open()

    def write(self, text: str) -> None:
        """Write one line with its time; a full disk must not stop the supervisor."""
        try:
            self.file.write(f"{datetime.now().isoformat(timespec='milliseconds')} {text}\n".encode())
            self.file.flush()
            if self.file.tell() > LOG_BYTES:
                self._begin_again()
        except OSError:
            return

    def close(self) -> None:
        self.file.close()

    def _open(self) -> BinaryIO:
        return open(self.path, "ab", opener=lambda name, flags: os.open(name, flags, 0o600))

    def _begin_again(self) -> None:
        self.file.close()
        self.path.replace(self.path.with_suffix(".log.1"))
        self.file = self._open()


class Lines:
    """Cut a stream of bytes into lines of bounded length."""

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, data: bytes) -> list[str]:
        """Return the lines that are whole now."""
        *whole, self.rest = (self.rest + data).split(b"\n")
        if len(self.rest) > LONGEST_LINE:
            whole, self.rest = [*whole, self.rest], b""
        return [line[:LONGEST_LINE].decode(errors="replace").rstrip("\r") for line in whole]
