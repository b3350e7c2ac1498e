"""A hostile program that tries every way out and prints which ones worked; run inside a tier to measure it.

Standard library only, and by file path: `python -I -B attempts.py '{"tcp": 1234, …}'`.
"""

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

HEARTBEAT_SECONDS = 0.05
LIFE_SECONDS = 20.0
BOMB = 24


def tcp(asked: dict[str, Any]) -> None:
    socket.create_connection(("127.0.0.1", asked["tcp"]), timeout=1).close()


def udp(asked: dict[str, Any]) -> None:
    """The packet's arrival is judged outside; a private loopback takes it and delivers nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"out", ("127.0.0.1", asked["udp"]))
    raise PermissionError("judged outside")


def unix(asked: dict[str, Any]) -> None:
    """Both the plain way and a datagram pair that is pointed elsewhere."""
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(asked["unix"])
    except OSError:
        one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with one, two:
            one.connect(asked["unix_datagram"])


def read_outside(asked: dict[str, Any]) -> None:
    Path(asked["read"]).read_bytes()


def write_outside(asked: dict[str, Any]) -> None:
    """A new file beside the canary; a private file system that swallows it is judged outside."""
    Path(asked["write"]).write_bytes(b"was here")
    if not Path(asked["write"]).exists():
        raise PermissionError


def memory(asked: dict[str, Any]) -> None:
    block = bytearray(asked["memory"])
    block[-1] = 1


def file_size(asked: dict[str, Any]) -> None:
    with open("large", "wb") as file:
        file.seek(asked["file_size"])
        file.write(b"x")


def secret_key(asked: dict[str, Any]) -> None:
    """In our own environment, and in that of every process we can look at."""
    if "SECRET_KEY" in os.environ:
        return
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if b"SECRET_KEY=" in path.read_bytes():
                return
        except OSError:
            continue
    raise PermissionError("nothing found")


def fork_bomb(_: dict[str, Any]) -> None:
    """Children that do nothing but be there; a few are enough to know that a thousand would be too."""
    children = []
    try:
        for _number in range(BOMB):
            if not (child := os.fork()):
                time.sleep(LIFE_SECONDS)
                os._exit(0)
            children.append(child)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def leave_behind(asked: dict[str, Any]) -> None:
    """A child in a session of its own, with nothing in common with us, that outlives us if it can."""
    try:
        if os.fork():
            return
    except OSError:
        Path(asked["heartbeat"]).write_text("no process was made")
        raise
    with suppress(OSError):
        os.setsid()
    if os.fork():
        os._exit(0)
    os.closerange(0, 64)
    end = time.monotonic() + LIFE_SECONDS
    while time.monotonic() < end:
        Path(asked["heartbeat"]).write_text(str(time.monotonic()))
        time.sleep(HEARTBEAT_SECONDS)
    os._exit(0)


ATTEMPTS: dict[str, Callable[[dict[str, Any]], None]] = {
    "tcp": tcp,
    "udp": udp,
    "unix socket": unix,
    "read outside": read_outside,
    "write outside": write_outside,
    "memory": memory,
    "file size": file_size,
    "secret key": secret_key,
    "fork bomb": fork_bomb,
    "left behind": leave_behind,
}


def main(asked: dict[str, Any]) -> None:
    worked = []
    for name, attempt in ATTEMPTS.items():
        try:
            attempt(asked)
            worked.append(name)
        except (OSError, MemoryError, ValueError):
            continue
    time.sleep(HEARTBEAT_SECONDS * 4)
    print(json.dumps(worked))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
