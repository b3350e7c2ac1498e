"""Measure what a tier really stops on this machine: run the hostile attempts in it once and look."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from releases.sandbox import attempts, process
from releases.sandbox.limits import MIB, Limits
from releases.sandbox.tiers import HOSTILE, TIERS, Job, Tier

LIMITS = Limits(seconds=20, memory=1024 * MIB, file_size=8 * MIB, disk=64 * MIB)
SETTLE_SECONDS = attempts.HEARTBEAT_SECONDS * 4
_measured: dict[str, frozenset[str] | None] = {}
_lock = threading.Lock()


def stops(name: str) -> frozenset[str] | None:
    """The hostile cases that tier `name` stops here, None when it does not run at all; measured once per process."""
    with _lock:
        if name not in _measured:
            tier = TIERS[name]
            _measured[name] = measure(tier) if tier.possible() else None
        return _measured[name]


def measure(tier: Tier) -> frozenset[str] | None:
    """Run every attempt in `tier` against listeners and files of ours."""
    folder = Path(tempfile.mkdtemp(prefix="slipway-probe-")).resolve()
    try:
        inside = folder / "inside"
        inside.mkdir()
        with _outside(folder) as outside:
            return _attempt(tier, folder, inside, outside)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _attempt(tier: Tier, folder: Path, inside: Path, outside: "Outside") -> frozenset[str] | None:
    (folder / "canary").write_text("secret")
    heartbeat = inside / "heartbeat"
    asked = {
        **outside.addresses,
        "read": str(folder / "canary"),
        "write": str(folder / "written"),
        "memory": LIMITS.memory + 64 * MIB,
        "file_size": LIMITS.file_size + MIB,
        "heartbeat": str(heartbeat),
    }
    script = str(Path(attempts.__file__))
    command = [sys.executable, "-I", "-B", script, json.dumps(asked)]
    job = Job(command, [], inside, LIMITS)
    result = process.execute(tier.name, tier.wrap(job), inside, LIMITS, None)
    worked = _reported(result.stdout)
    if result.returncode != 0 or worked is None or not heartbeat.exists():
        return None  # the attempt itself must have run to its end, else nothing was measured
    return HOSTILE - _seen_outside(worked, folder, heartbeat, outside)


def _reported(stdout: str) -> set[str] | None:
    try:
        return set(json.loads(stdout))
    except ValueError:
        return None


def _seen_outside(worked: set[str], folder: Path, heartbeat: Path, outside: "Outside") -> set[str]:
    """What the attempts say, corrected by what really arrived here."""
    worked = worked - {"left behind", "write outside"}
    if outside.packet_arrived():
        worked.add("udp")
    if (folder / "written").exists():
        worked.add("write outside")
    before = heartbeat.read_text()
    time.sleep(SETTLE_SECONDS)
    if heartbeat.read_text() != before:
        worked.add("left behind")
    return worked


class Outside:
    """Loopback listeners and a bystander whose environment holds a secret."""

    def __init__(self, folder: Path) -> None:
        self.sockets = {
            "tcp": socket.create_server(("127.0.0.1", 0)),
            "udp": socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
            "unix": socket.socket(socket.AF_UNIX),
            "unix_datagram": socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM),
        }
        self.sockets["udp"].bind(("127.0.0.1", 0))
        self.sockets["unix"].bind(str(folder / "stream.sock"))
        self.sockets["unix"].listen()
        self.sockets["unix_datagram"].bind(str(folder / "datagram.sock"))
        self.addresses: dict[str, object] = {
            "tcp": self.sockets["tcp"].getsockname()[1],
            "udp": self.sockets["udp"].getsockname()[1],
            "unix": str(folder / "stream.sock"),
            "unix_datagram": str(folder / "datagram.sock"),
        }
        sleeper = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(30)"]
        self.bystander = subprocess.Popen(sleeper, env={"SECRET_KEY": "canary", "PATH": os.defpath})

    def packet_arrived(self) -> bool:
        self.sockets["udp"].setblocking(False)
        try:
            return bool(self.sockets["udp"].recv(16))
        except BlockingIOError:
            return False

    def close(self) -> None:
        self.bystander.kill()
        self.bystander.wait()
        for sock in self.sockets.values():
            sock.close()


@contextmanager
def _outside(folder: Path) -> Iterator[Outside]:
    outside = Outside(folder)
    try:
        yield outside
    finally:
        outside.close()
