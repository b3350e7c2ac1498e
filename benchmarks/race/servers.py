"""One server of the race: started on its own core, asked for every row once, paused while others run, ended."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

SERVER_CORE, LOAD_CORE = 0, 1
PATIENCE = 120.0
# Both sides of the race go before whatever else the machine does.
PRIORITY = -15
TICKS = os.sysconf("SC_CLK_TCK")
Row = Mapping[str, float]


@dataclass
class Ask:
    """How a server is asked for one row, and where its answer has the label and the probabilities, if any."""

    path: str
    body: Callable[[Row], Any] | None
    label: Callable[[Any], Any] = lambda answer: None
    probabilities: Callable[[Any], Sequence[float] | None] = lambda answer: None
    headers: Mapping[str, str] = field(default_factory=dict)

    def bodies(self, rows: Sequence[Row]) -> list[bytes]:
        if self.body is None:
            return []
        return [json.dumps(self.body(row), separators=(",", ":")).encode() for row in rows]


@dataclass
class Server:
    """A process on the core of the servers, and how it is asked. `pausable`: it bears being stopped while it idles."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    port: int
    ask: Ask
    log: Path
    pausable: bool = True
    core: int = SERVER_CORE
    folder: Path | None = None
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.ask.path}"

    def start(self) -> None:
        """Start it in a session of its own; `wait` says when it answers."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.command,
                env=dict(self.environment),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=favoured({self.core}),
            )

    def wait(self, body: bytes | None) -> Any:
        """Return the first good answer; raises RuntimeError when none comes in time."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with suppress(httpx.TransportError):
                reply = self.send(body)
                if reply.status_code == 200:
                    self._favour()
                    return reply
            if self.process.poll() is not None:
                break
            time.sleep(0.005)
        raise RuntimeError(f"{self.name} does not answer; see {self.log}:\n{self.log.read_text()[-1500:]}")

    def send(self, body: bytes | None) -> httpx.Response:
        headers = {"content-type": "application/json", **self.ask.headers}
        method = "GET" if body is None else "POST"
        return httpx.request(method, self.url, content=body, headers=headers, trust_env=False, timeout=30)

    def tree(self) -> list[int]:
        """The process and all that it started."""
        return [self.process.pid, *_below(self.process.pid)]

    def pause(self) -> None:
        if self.pausable:
            self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def seconds(self) -> float:
        """Seconds of processor time that the tree has used so far."""
        return sum(_seconds(pid) for pid in self.tree())

    def memory(self) -> float:
        """Resident memory of the tree in MB; what its processes share counts once for each."""
        return sum(_resident(pid) for pid in self.tree()) / 1e6

    def stop(self) -> None:
        """End the whole tree."""
        self.resume()
        pids = self.tree()
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(8)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(5)

    def _favour(self) -> None:
        """Those of the tree that began a session of their own have left the process's priority behind."""
        for pid in self.tree():
            with suppress(OSError):
                Path(f"/proc/{pid}/autogroup").write_text(str(PRIORITY))

    def _signal(self, number: int) -> None:
        for pid in self.tree():
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def favoured(cores: set[int]) -> Callable[[], None]:
    """Return what a child does before it becomes the command: go to its cores, and first in line there."""

    def go() -> None:
        os.sched_setaffinity(0, cores)
        with suppress(OSError):
            os.nice(PRIORITY)
            Path("/proc/self/autogroup").write_text(str(PRIORITY))

    return go


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def busy_seconds() -> float:
    """Seconds that all cores together have been busy since the machine started."""
    names = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    user, nice, system, _, _, irq, soft, steal = (int(word) for word in names[:8])
    return (user + nice + system + irq + soft + steal) / TICKS


def _below(pid: int) -> Iterator[int]:
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield int(child)
                yield from _below(int(child))


def _seconds(pid: int) -> float:
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / TICKS


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
