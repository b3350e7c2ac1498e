"""Landlock by plain system calls: which folders a process may read and write, and no TCP."""

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from pathlib import Path

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on x86_64 and aarch64
GET_VERSION = 1
RULE_PATH = 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
TRUNCATE, IOCTL_DEVICE = 1 << 14, 1 << 15
READ = EXECUTE | READ_FILE | READ_DIR
ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE
BITS_BY_VERSION = {1: 13, 2: 14, 3: 15, 4: 15}  # 5 and later: 16
TCP, SCOPES = 3, 3


def version() -> int:
    """The kernel's Landlock ABI, 0 where there is none."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "prctl"):  # not Linux
        return 0
    return max(0, int(libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), GET_VERSION)))


def scopes_signals() -> bool:
    """From ABI 6 on a confined process cannot signal those outside."""
    return version() >= 6


def apply(read: Iterable[Path], write: Iterable[Path]) -> None:
    """Confine this process to `read` and `write`; needs no_new_privs; OSError when the kernel refuses."""
    abi = version()
    files = (1 << BITS_BY_VERSION.get(abi, 16)) - 1
    rules = _ruleset(abi, files)
    try:
        for path in read:
            _allow(rules, path, READ & files)
        for path in write:
            _allow(rules, path, files & ~IOCTL_DEVICE)
        _call(RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)


def _ruleset(abi: int, files: int) -> int:
    handled = [files]
    if abi >= 4:
        handled.append(TCP)
    if abi >= 6:
        handled.append(SCOPES)
    attributes = struct.pack(f"{len(handled)}Q", *handled)
    return _call(CREATE_RULESET, ctypes.c_char_p(attributes), ctypes.c_size_t(len(attributes)), 0)


def _allow(rules: int, path: Path, access: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            access &= ON_FILES
        rule = struct.pack("=Qi", access, handle)
        _call(ADD_RULE, rules, RULE_PATH, ctypes.c_char_p(rule), 0)
    finally:
        os.close(handle)


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    answer = int(libc.syscall(number, *arguments))
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return answer
