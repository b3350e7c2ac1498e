"""Start a wrapped command, read what it prints while it runs, and end all of it."""

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from releases.sandbox.limits import Limits, Result

POLL_SECONDS = 0.1
DRAIN_SECONDS = 2.0
KEEP = 64 * 1024
ENVIRONMENT = {
    "PYTHONHASHSEED": "0",  # the order of a set must not change what a conversion writes
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "LOKY_MAX_CPU_COUNT": "1",
    "MPLCONFIGDIR": "/nonexistent",
}


class Reader:
    """Collects one stream; hands whole lines to `on_line` and keeps the last 64 KiB."""

    def __init__(self, on_line: Callable[[str], None] | None = None) -> None:
        self.total, self.kept, self._rest, self._on_line = 0, b"", b"", on_line

    def feed(self, data: bytes) -> None:
        self.total += len(data)
        self.kept = (self.kept + data)[-KEEP:]
        if self._on_line is None:
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-KEEP * 16 :]
        for line in lines:
            self._on_line(line.decode("utf-8", "replace"))


class Running:
    """One started command; the constructor's thread must stay until `finish` (the kernel ties children to it)."""

    def __init__(self, command: Sequence[str], write: Path, on_line: Callable[[str], None] | None) -> None:
        environment = {**ENVIRONMENT, "HOME": str(write), "TMPDIR": str(write)}
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=write,
            env=environment,
            start_new_session=True,
        )
        self.write = write
        self.readers = {"stdout": Reader(on_line), "stderr": Reader()}
        self._selector = selectors.DefaultSelector()
        for name in self.readers:
            self._selector.register(getattr(self.process, name), selectors.EVENT_READ, name)

    def follow(self, limits: Limits) -> str | None:
        """Read until the command ended or broke a limit; the name of that limit."""
        deadline = time.monotonic() + limits.seconds
        while not self._ended():
            self._read(POLL_SECONDS)
            if broken := self._broken(limits, deadline):
                return broken
        return None

    def finish(self) -> int:
        """End the whole group before its leader is reaped, so that the number cannot be another's yet."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            self.process.kill()
        deadline = time.monotonic() + DRAIN_SECONDS
        while self._selector.get_map() and time.monotonic() < deadline:
            self._read(POLL_SECONDS)
        self._selector.close()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return self.process.wait()

    def _ended(self) -> bool:
        """Ended but not reaped: its number stays reserved."""
        if not hasattr(os, "waitid"):  # macOS before Python 3.13
            return self.process.poll() is not None
        return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _read(self, seconds: float) -> None:
        if not self._selector.get_map():
            time.sleep(min(seconds, 0.02))
            return
        for key, _ in self._selector.select(seconds):
            data = os.read(key.fd, 65536)
            if data:
                self.readers[key.data].feed(data)
            else:
                self._selector.unregister(key.fileobj)

    def _broken(self, limits: Limits, deadline: float) -> str | None:
        if time.monotonic() > deadline:
            return "seconds"
        if sum(reader.total for reader in self.readers.values()) > limits.output:
            return "output"
        return "disk" if folder_size(self.write) > limits.disk else None


def folder_size(folder: Path) -> int:
    """Bytes of the regular files under `folder`; what vanishes meanwhile counts nothing."""
    total = 0
    for base, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(base, name)).st_blocks * 512
            except OSError:
                continue
    return total


def execute(
    tier: str, command: Sequence[str], write: Path, limits: Limits, on_line: Callable[[str], None] | None
) -> Result:
    """Run to the end or to a limit, leave no process behind (as far as the tier can), and say how it went."""
    started = time.monotonic()
    running = Running(command, write, on_line)
    stopped: str | None = "error"
    try:
        stopped = running.follow(limits)
    finally:
        code = running.finish()
    kept = {name: reader.kept.decode("utf-8", "replace") for name, reader in running.readers.items()}
    return Result(tier, code, stopped, time.monotonic() - started, kept["stdout"], kept["stderr"])
