"""System calls that a sandboxed process may not make, as a BPF program built without any library."""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Callable, Iterable

PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
ALLOW = 0x7FFF0000
KILL = 0x80000000
ERRNO = 0x00050000
DENY = ERRNO | errno.EPERM
PRETEND = ERRNO  # errno 0: the call answers success and does nothing
ABSENT = ERRNO | errno.ENOSYS
NO_MORE = ERRNO | errno.EAGAIN

LOAD, JUMP_EQUAL, JUMP_GREATER_EQUAL, JUMP_ANY_BIT, AND, RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
ARGUMENT, UPPER = 16, 4  # offsets in struct seccomp_data
NEW_NAMESPACES = 0x7E020080  # every CLONE_NEW* flag
THREAD = 0x00010000  # CLONE_THREAD
SOCK_STREAM, SOCK_TYPE_MASK = 1, 0xF

Step = tuple[int, int, int, int]
Group = Callable[[int], list[list[Step]]]

# name: (x86_64, aarch64); where aarch64 lacks the old call, the number of the one that took its place.
NUMBERS: dict[str, tuple[int, int]] = {
    # sockets
    "socket": (41, 198), "connect": (42, 203), "accept": (43, 202), "bind": (49, 200), "listen": (50, 201),
    "accept4": (288, 242), "socketpair": (53, 199),
    # leaving the process group, or reaching other processes
    "setsid": (112, 157), "setpgid": (109, 154), "prlimit64": (302, 261),
    "kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "pidfd_send_signal": (424, 424),
    # never needed by a model or its tests
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "pidfd_getfd": (438, 438),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "setns": (308, 268),
    "unshare": (272, 97), "move_mount": (429, 429), "open_tree": (428, 428), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "mount_setattr": (442, 442), "open_by_handle_at": (304, 265),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "sethostname": (170, 161),
    # owner and mode of files anywhere: Landlock does not look at these
    "chmod": (90, 52), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, 55), "fchown": (93, 55), "lchown": (94, 54), "fchownat": (260, 54),
    "utime": (132, 88), "utimes": (235, 88), "futimesat": (261, 88), "utimensat": (280, 88),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "fork": (57, 220), "vfork": (58, 220), "clone": (56, 220), "clone3": (435, 435),
}  # fmt: skip

SOCKETS = ("socket", "connect", "accept", "bind", "listen", "accept4")
SESSIONS = ("setsid", "setpgid")
SIGNALS = ("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal")
DANGERS = (  # noqa: SIM905 - one word a name reads better than a list
    "ptrace process_vm_readv process_vm_writev pidfd_getfd io_uring_setup io_uring_enter io_uring_register bpf "
    "perf_event_open userfaultfd keyctl add_key request_key mount umount2 pivot_root chroot setns unshare move_mount "
    "open_tree fsopen fsconfig fsmount mount_setattr open_by_handle_at init_module finit_module delete_module "
    "kexec_load reboot swapon swapoff acct quotactl settimeofday clock_settime sethostname"
).split()
METADATA = (  # noqa: SIM905 - one word a name reads better than a list
    "chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat utime utimes futimesat utimensat setxattr lsetxattr "
    "fsetxattr removexattr lremovexattr fremovexattr"
).split()
ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}


def supported() -> bool:
    return platform.machine() in ARCHITECTURES


def program(groups: Iterable[str]) -> list[Step]:
    """The filter for `groups`, which are the names in _GROUPS; everything else is allowed."""
    column, architecture = ARCHITECTURES[platform.machine()]
    steps: list[Step] = [(LOAD, 0, 0, 4), (JUMP_EQUAL, 1, 0, architecture), (RETURN, 0, 0, KILL), (LOAD, 0, 0, 0)]
    if column == 0:  # the x32 calls would go around the numbers below
        steps += [(JUMP_GREATER_EQUAL, 0, 1, 0x40000000), (RETURN, 0, 0, DENY)]
    for group in groups:
        for block in _GROUPS[group](column):
            steps += block
    return [*steps, (RETURN, 0, 0, ALLOW)]


def _when(name: str, column: int, action: int, *body: Step) -> list[Step]:
    number = NUMBERS[name][column]
    inside = [*body, (RETURN, 0, 0, action)]
    return [(JUMP_EQUAL, 0, len(inside), number), *inside]


def _each(names: Iterable[str], action: int) -> Group:
    return lambda column: [_when(name, column, action) for name in names]


def _sockets(column: int) -> list[list[Step]]:
    """No socket at all, except a connected stream pair, which cannot be pointed elsewhere."""
    pair = (
        (LOAD, 0, 0, ARGUMENT + 8),
        (AND, 0, 0, SOCK_TYPE_MASK),
        (JUMP_EQUAL, 0, 1, SOCK_STREAM),
        (RETURN, 0, 0, ALLOW),
    )
    return [*(_when(name, column, DENY) for name in SOCKETS), _when("socketpair", column, DENY, *pair)]


def _dangers(column: int) -> list[list[Step]]:
    """Also: no new namespaces by clone, and clone3 (whose flags cannot be read here) looks absent."""
    clone: tuple[Step, ...] = ((LOAD, 0, 0, ARGUMENT), (JUMP_ANY_BIT, 1, 0, NEW_NAMESPACES), (RETURN, 0, 0, ALLOW))
    blocks = [_when(name, column, DENY) for name in DANGERS]
    return [*blocks, _when("clone", column, DENY, *clone), _when("clone3", column, ABSENT)]


def _processes(column: int) -> list[list[Step]]:
    """Threads, but no further process: limits on memory hold for one process, and a fork bomb needs two.

    It must stand before the groups that allow some of clone; clone3, whose flags cannot be read here, looks absent.
    """
    thread_only = [(LOAD, 0, 0, ARGUMENT), (JUMP_ANY_BIT, 1, 0, THREAD), (RETURN, 0, 0, NO_MORE), (LOAD, 0, 0, 0)]
    clone = [(JUMP_EQUAL, 0, len(thread_only), NUMBERS["clone"][column]), *thread_only]
    older = [_when(name, column, NO_MORE) for name in ("fork", "vfork")] if column == 0 else []
    return [*older, clone, _when("clone3", column, ABSENT)]


def _sessions(column: int) -> list[list[Step]]:
    """Nobody leaves the process group, or turns the limits of another process."""
    own: tuple[Step, ...] = ((LOAD, 0, 0, ARGUMENT), (JUMP_EQUAL, 0, 1, 0), (RETURN, 0, 0, ALLOW))
    return [*(_when(name, column, DENY) for name in SESSIONS), _when("prlimit64", column, DENY, *own)]


_GROUPS: dict[str, Group] = {
    "processes": _processes,
    "sockets": _sockets,
    "sessions": _sessions,
    "signals": _each(SIGNALS, DENY),
    "dangers": _dangers,
    "metadata": _each(METADATA, PRETEND),
}


def apply(groups: Iterable[str]) -> None:
    """Put the filter on this process and all that it starts; OSError when the kernel refuses."""
    steps = program(groups)
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    buffer = ctypes.create_string_buffer(code)
    header = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_char_p(header), 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
