"""Which processes belong to an installation: by the data folder in their environment, or as their working folder."""

from __future__ import annotations

import os
from pathlib import Path

SHADOW, BATCH = "serving.gateway.shadow", "serving.batch"
MARKS = {
    "dashboard.web": "web",
    "--queues=quick": "quick",
    "--queues=long": "long",
    "--queues=load": "load",
    "--queues=batch": "batch",
    "serving.streams": "stream",
    " beat ": "beat",
    "valkey-server": "valkey",
}
NAMES = ("web", "gateway-production", "gateway-others", "quick", "long", "load", "batch", "stream", "beat", "valkey")


def of(var: Path) -> list[int]:
    """Return the pid of every living process of the installation: supervisor, guards, children and theirs."""
    return [pid for pid, _, variables in _all() if _ours(var, variables)]


def named(var: Path) -> dict[str, int]:
    """Return name -> pid of the supervisor's children that run now."""
    found: dict[str, int] = {}
    for pid, line, variables in _all():
        name = _name(line, variables) if _ours(var, variables) else ""
        if name:
            found.setdefault(name, pid)
    return found


def shadows_of(var: Path) -> list[int]:
    """Return the pids of the shadow processes of its gateways."""
    return [pid for pid, line, variables in _all() if SHADOW in line and _ours(var, variables)]


def batches_of(var: Path) -> list[int]:
    """Return the pids of the processes that answer files for its worker."""
    return [pid for pid, line, variables in _all() if BATCH in line and f"\0BATCH_OF={var}\0".encode() in variables]


def _all() -> list[tuple[int, str, bytes]]:
    """Return pid, command line and environment of every process but this one; a zombie has neither."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            line = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            # Valkey writes its title over its environment, but it works in its own folder.
            variables = b"\0" + (path / "environ").read_bytes() + b"\0CWD=" + os.readlink(path / "cwd").encode() + b"/"
        except OSError:
            continue
        if int(path.name) != os.getpid() and line:
            found.append((int(path.name), line, variables))
    return sorted(found)


def _ours(var: Path, variables: bytes) -> bool:
    marks = (f"\0VAR={var}\0", f"\0BATCH_OF={var}\0", f"\0GATEWAY_DATA={var}/", f"\0CWD={var}/")
    return any(mark.encode() in variables for mark in marks)


def _name(line: str, variables: bytes) -> str:
    if "guard.py" in line or SHADOW in line:
        return ""
    if "serving.gateway" in line:
        return "gateway-production" if b"\0GATEWAY_NAME=production\0" in variables else "gateway-others"
    return next((name for mark, name in MARKS.items() if mark in line), "")
