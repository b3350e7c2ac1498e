"""Recognise a pickle in any disguise by its name and its first bytes, without ever opening it."""

import ast
import bz2
import io
import lzma
import pickletools  # reads opcodes as data; it builds nothing
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO

HEAD = 1024 * 1024
SUFFIXES = {".pkl", ".pickle", ".joblib", ".jbl", ".dill", ".cloudpickle", ".pck", ".pt", ".pth"}
BUILDERS = {"GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "REDUCE", "BUILD", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4"}
ADVICE = "Save the model with skops (skops.io.dump) or as ONNX."
NPY = b"\x93NUMPY"


def disguise(name: str, head: bytes) -> str | None:
    """Why a file of this name and these first bytes counts as a pickle, in words; None when it does not."""
    if SUFFIXES & {suffix.lower() for suffix in PurePosixPath(name).suffixes}:
        return "is a pickle by its name"
    if looks_like_pickle(head):
        return "is a pickle by its content, whatever its name says"
    if object_array(head):
        return "is a numpy file of Python objects, which is a pickle inside"
    if any(looks_like_pickle(plain) for plain in _unwrapped(head)):
        return "is a compressed pickle (as joblib writes it)"
    return None


def looks_like_pickle(head: bytes) -> bool:
    """A binary pickle says so in two bytes; a text one is recognised by reading its opcodes to the end."""
    if len(head) >= 2 and head[0] == 0x80 and 2 <= head[1] <= 5:
        return True
    builds = False
    try:
        for opcode, _, _ in pickletools.genops(io.BytesIO(head)):
            builds = builds or opcode.name in BUILDERS
    except ValueError as error:
        return builds and len(head) >= HEAD and "exhausted" in str(error)
    except Exception:  # whatever the reader stumbles over, it is not a pickle that could be opened
        return False
    return builds


def object_array(head: bytes) -> bool:
    """An .npy whose element type holds Python objects."""
    if not head.startswith(NPY) or len(head) < 12:
        return False
    wide = head[6] >= 2
    length = struct.unpack_from("<I" if wide else "<H", head, 8)[0]
    start = 12 if wide else 10
    try:
        described = ast.literal_eval(head[start : start + length].decode("latin1").strip())
        return "O" in str(described["descr"])
    except (ValueError, SyntaxError, KeyError, TypeError, RecursionError, MemoryError):
        return True  # a header that nobody can read


def head_of(source: IO[bytes]) -> bytes:
    """The first megabyte, for files and for zip members alike."""
    return source.read(HEAD)


def inside_zip(path: Path) -> str | None:
    """The first member of a zip that is a pickle, with the reason, as `member why`; nothing is unpacked to disk."""
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            with archive.open(info) as source:
                if why := disguise(info.filename, head_of(source)):
                    return f"{info.filename} {why}"
    return None


def _unwrapped(head: bytes) -> list[bytes]:
    found = []
    for magic, unwrap in _WRAPPERS:
        if head.startswith(magic):
            try:
                found.append(unwrap(head))
            except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
                continue
    return found


def _inflate(bits: int) -> Callable[[bytes], bytes]:
    return lambda head: zlib.decompressobj(bits).decompress(head, 4096)


_WRAPPERS: list[tuple[bytes, Callable[[bytes], bytes]]] = [
    (b"\x78", _inflate(15)),
    (b"\x1f\x8b", _inflate(31)),
    (b"ZF", lambda head: zlib.decompressobj(15).decompress(head[head.index(b"\x78") :], 4096)),
    (b"BZh", lambda head: bz2.BZ2Decompressor().decompress(head, 4096)),
    (b"\xfd7zXZ", lambda head: lzma.LZMADecompressor().decompress(head, 4096)),
    (b"\x5d\x00\x00", lambda head: lzma.LZMADecompressor().decompress(head, 4096)),
]
