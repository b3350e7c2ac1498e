"""Stand between the supervisor and one child, so that nothing of that child outlives either of them.

Run by path with `python -I -S`, standard library only: there is one of these per child, so it must start fast and stay
small. The first line of stdin says what to run; the end of stdin (the supervisor is gone, even by SIGKILL) means: kill
everything now. SIGTERM is passed on to the child. On Linux the guard is a subreaper, so that a grandchild with a
session of its own cannot slip away either.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys
import time
from contextlib import suppress
from typing import Any, NoReturn

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
LINUX = sys.platform.startswith("linux")
PID_LINE = "\x1epid "
NOT_STARTED = 127
KILL_SECONDS = 2.0


def main() -> int:
    """Run the child described on stdin; returns its exit code, 128 + n for signal n."""
    order = json.loads(_first_line())
    adopt_orphans()
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child = _start(order)
    signal.signal(signal.SIGTERM, lambda *_: _send(child, signal.SIGTERM))
    return _watch(child, wake_read)


def _first_line() -> bytes:
    text = b""
    while not text.endswith(b"\n"):
        piece = os.read(0, 1)
        if not piece:
            os._exit(0)
        text += piece
    return text


def _start(order: dict[str, Any]) -> int:
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        _become(order, parent)
    return child


def _become(order: dict[str, Any], parent: int) -> NoReturn:
    """Turn this fork into the command: session, priority and signals of its own."""
    try:
        os.setsid()
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)
        _lower(order.get("nice", 0))
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.write(1, f"{PID_LINE}{os.getpid()}\n".encode())
        command = order["command"]
        os.execvp(command[0], command)  # noqa: S606
    except OSError as error:
        os.write(2, f"cannot start {order['command'][0]}: {error.strerror}\n".encode())
    os._exit(NOT_STARTED)


def _lower(nice: int) -> None:
    """Lower the priority; where the kernel groups by session, `nice` alone counts only inside this child's session."""
    os.nice(nice)
    with suppress(OSError), open("/proc/self/autogroup", "w") as file:
        file.write(str(nice))


def _watch(child: int, wake_read: int) -> int:
    while True:
        readable, _, _ = select.select([0, wake_read], [], [])
        if wake_read in readable:
            os.read(wake_read, 512)
        code = _reap(child)
        if code is None and 0 in readable and not os.read(0, 512):
            code = 128 + signal.SIGKILL
        if code is not None:
            _kill_all(child)
            return code


def _reap(child: int) -> int | None:
    """Collect every process that ended; returns the child's exit code when it was among them."""
    code = None
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == child:
                plain = os.waitstatus_to_exitcode(status)
                code = plain if plain >= 0 else 128 - plain
    return code


def _kill_all(child: int) -> None:
    """Kill the child's group, then whatever else descends from here, until nothing is left."""
    with suppress(OSError):
        os.killpg(child, signal.SIGKILL)
    until = time.monotonic() + KILL_SECONDS
    while (left := descendants(os.getpid())) and time.monotonic() < until:
        for pid in left:
            _send(pid, signal.SIGKILL)
        _reap(child)
        time.sleep(0.005)


def descendants(root: int) -> list[int]:
    """Return the pids of all living descendants (Linux; elsewhere none is known)."""
    known = parents()
    found: list[int] = []
    edge = {root}
    while edge:
        edge = {pid for pid, parent in known.items() if parent in edge}
        found += sorted(edge)
    return found


def parents() -> dict[int, int]:
    """Return pid -> pid of its parent, for every process (Linux; elsewhere none is known)."""
    return dict(map(_parent, _pids()))


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()] if LINUX else []


def _parent(pid: int) -> tuple[int, int]:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return pid, int(file.read().rpartition(b")")[2].split()[1])
    except OSError:
        return pid, 0


def _send(pid: int, number: int) -> None:
    with suppress(OSError):
        os.kill(pid, number)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends (Linux)."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if LINUX:
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main())
