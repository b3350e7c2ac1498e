"""The last step before a command runs: limits, rights and filters put on, then the command takes our place.

Runs in the child, inside whatever namespaces the tier made, with the standard library only.
"""

import ctypes
import json
import os
import resource
import signal
import struct
import sys
from pathlib import Path
from typing import Any

from releases.sandbox import landlock, seccomp

PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 24, 38
CAPSET = {"x86_64": 126, "aarch64": 91}
CAPABILITY_VERSION_3 = 0x20080522
DEVICES = [Path("/dev/null"), Path("/dev/zero"), Path("/dev/urandom"), Path("/dev/random")]


def main(arguments: list[str]) -> None:
    """`arguments`: the confinement as JSON, then the command."""
    asked, command = json.loads(arguments[0]), arguments[1:]
    if asked["watch"]:
        _watch(asked["parent"])
    confine(asked)
    os.execvpe(command[0], command, dict(os.environ))  # noqa: S606 - the whole purpose of this file


def confine(asked: dict[str, Any]) -> None:
    """Each part only where asked; rlimits always."""
    _limit(asked["limits"])
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if asked["landlock"]:
        _drop_capabilities(libc)
        landlock.apply([Path(p) for p in asked["read"]] + DEVICES, [Path(asked["write"]), Path("/dev/null")])
    if asked["seccomp"]:
        seccomp.apply(asked["seccomp"])


def _limit(limits: dict[str, int]) -> None:
    for name, value in limits.items():
        kind = getattr(resource, name)
        _, hard = resource.getrlimit(kind)
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(kind, (bound, bound))
        except (ValueError, OSError) as error:  # macOS has no RLIMIT_AS worth the name
            print(f"limit {name} is not available here: {error}", file=sys.stderr)


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Root without capabilities: else it could change the owner and mode of files outside."""
    for number in range(64):
        libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
    call = CAPSET.get(os.uname().machine)
    if call is not None:
        libc.syscall(call, struct.pack("Ii", CAPABILITY_VERSION_3, 0), struct.pack("6I", *[0] * 6))


def _watch(parent: int) -> None:
    """Fork; the child goes on, the parent stays to end the whole process group when our starter dies."""
    if sys.platform == "linux":
        signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL))
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        return
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(128 - code if code < 0 else code)


if __name__ == "__main__":
    main(sys.argv[1:])
