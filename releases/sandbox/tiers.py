"""The four ways to lock a command in, strongest first, and the command line of each."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from releases.sandbox import landlock, seccomp
from releases.sandbox.limits import MIB, Limits

ROOT = Path(__file__).resolve().parents[2]
CODE = [ROOT / "releases", ROOT / "serving"]
SYSTEM = [
    "/usr",
    "/lib",
    "/lib64",
    "/lib32",
    "/bin",
    "/sbin",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/ssl/openssl.cnf",
]
FACTS = ["/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/sys/devices/system/cpu", "/sys/devices/system/node"]
HOSTILE = frozenset(
    {
        "tcp",
        "udp",
        "unix socket",
        "read outside",
        "write outside",
        "memory",
        "file size",
        "fork bomb",
        "left behind",
        "secret key",
    }
)


@dataclass(frozen=True)
class Job:
    """One command with the folders it may read and the one it may write."""

    command: Sequence[str]
    read: Sequence[Path]
    write: Path
    limits: Limits


@dataclass(frozen=True)
class Tier:
    """`words` is for the page; `wrap` turns a job into the command line that locks it in."""

    name: str
    words: str
    wrap: Callable[[Job], list[str]]
    possible: Callable[[], bool]


def interpreter_folders() -> list[Path]:
    """The virtual environment and the Python under it, as they are and as they resolve."""
    folders = [Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).parent.parent]
    return list(dict.fromkeys([*folders, *(folder.resolve() for folder in folders)]))


def _readable(job: Job) -> list[Path]:
    return [*map(Path, SYSTEM), *interpreter_folders(), *CODE, *job.read]


def _confined(job: Job, *, locked: bool, groups: Sequence[str], watch: bool = False) -> list[str]:
    """The command behind `confine`; `locked` adds Landlock."""
    limits = job.limits
    asked = {
        "watch": watch,
        "parent": os.getpid(),
        "landlock": locked,
        "seccomp": list(groups),
        "read": [str(path) for path in [*_readable(job), *map(Path, FACTS)]],
        "write": str(job.write),
        "limits": {
            "RLIMIT_AS": limits.memory,
            "RLIMIT_FSIZE": limits.file_size,
            "RLIMIT_NOFILE": limits.open_files,
            "RLIMIT_CPU": int(limits.seconds * 4) + 1,
            "RLIMIT_CORE": 0,
        },
    }
    start = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from releases.sandbox.confine import main; main(sys.argv[1:])"
    )
    return [sys.executable, "-I", "-B", "-c", start, json.dumps(asked), *job.command]


def _bubblewrap(job: Job) -> list[str]:
    words = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    words += ["--proc", "/proc", "--dev", "/dev"]
    for path in dict.fromkeys([*map(str, _readable(job)), *FACTS[3:]]):
        words += ["--ro-bind-try", path, path]
    words += ["--bind", str(job.write), str(job.write), "--chdir", str(job.write)]
    # Without these the child could fill memory through the file systems that bubblewrap itself makes.
    words += ["--size", str(64 * MIB), "--tmpfs", "/dev/shm", "--remount-ro", "/dev", "--remount-ro", "/"]  # noqa: S108
    groups = ["processes", "dangers"] if seccomp.supported() else []
    return [*words, "--", *_confined(job, locked=False, groups=groups)]


def _unshare(job: Job) -> list[str]:
    inside = _confined(job, locked=True, groups=["processes", "sockets", "dangers", "metadata"])
    return ["setpriv", "--pdeathsig", "KILL", "unshare", "-rnpf", "--kill-child", "--", *inside]


def _landlock(job: Job) -> list[str]:
    groups = ["processes", "sockets", "sessions", "dangers", "metadata"]
    if not landlock.scopes_signals():
        groups.append("signals")
    return _confined(job, locked=True, groups=groups, watch=True)


def _none(job: Job) -> list[str]:
    return _confined(job, locked=False, groups=[], watch=True)


def _has(*programs: str) -> bool:
    return all(shutil.which(program) for program in programs)


def _kernel_filters() -> bool:
    return sys.platform == "linux" and seccomp.supported() and landlock.version() > 0


TIERS: dict[str, Tier] = {
    tier.name: tier
    for tier in [
        Tier("bubblewrap", "bubblewrap: own file system, network and processes", _bubblewrap, lambda: _has("bwrap")),
        Tier(
            "unshare",
            "unshare with Landlock and seccomp: own network and processes, files by a kernel rule",
            _unshare,
            lambda: _has("unshare", "setpriv") and _kernel_filters(),
        ),
        Tier("landlock", "Landlock and seccomp: files and sockets by kernel rules", _landlock, _kernel_filters),
        Tier("none", "limits on memory, time and files only; no sandbox on this machine", _none, lambda: True),
    ]
}
