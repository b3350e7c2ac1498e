"""An upload becomes a plain folder: no path escapes, no links, and sizes counted while reading."""

import gzip
import os
import shutil
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from releases.intake import ziphead
from releases.intake.capped import CappedTarInfo, Counted, TooMuch
from releases.intake.report import Refused

MIB = 1024 * 1024
CHUNK = 256 * 1024
DEVICES = {"con", "prn", "aux", "nul", *(f"com{i}" for i in range(1, 10)), *(f"lpt{i}" for i in range(1, 10))}
SINGLE = {".skops": "model.skops", ".onnx": "model.onnx"}


@dataclass(frozen=True)
class Caps:
    """Bounds of one upload; sizes in bytes, `ratio` counts only from `ratio_from` unpacked bytes on."""

    members: int = 2000
    total: int = 512 * MIB
    file: int = 512 * MIB
    ratio: int = 200
    ratio_from: int = 8 * MIB
    name: int = 240
    depth: int = 16


CAPS = Caps()


def unpack(upload: Path, folder: Path, caps: Caps = CAPS) -> str:
    """Fill the empty `folder` from `upload` and return what it was: "folder", "zip", "tar" or "file".

    Raises Refused; whatever was written until then stays in `folder`, which the caller removes.
    """
    writer = Writer(folder, caps)
    try:
        kind = _unpack(upload, writer)
    except TooMuch as error:
        raise Refused("unpack", str(error)) from None
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile, NotImplementedError) as error:
        raise Refused("unpack", f"The archive is damaged and cannot be read: {_short(error)}.") from None
    if kind != "file":
        _strip(folder)
    if not any(folder.iterdir()):
        raise Refused("unpack", "The upload holds no files.")
    return kind


def _unpack(upload: Path, writer: "Writer") -> str:
    if upload.is_symlink():
        raise Refused("unpack", "The upload is a symbolic link; send the files themselves.")
    if upload.is_dir():
        _folder(upload, writer)
        return "folder"
    with upload.open("rb") as file:
        head = file.read(4)
    suffix = upload.suffix.lower()
    if suffix in SINGLE:
        writer.one(SINGLE[suffix], upload)
        return "file"
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        _zip(upload, writer)
        return "zip"
    if head[:2] == b"\x1f\x8b" and not upload.name.lower().endswith((".pkl.gz", ".pickle.gz", ".joblib.gz")):
        _tar(upload, writer)
        return "tar"
    writer.one(upload.name, upload)  # the inspection says what it is
    return "file"


class Writer:
    """Writes members below one folder, and counts them; every rule about names and sizes is here."""

    def __init__(self, folder: Path, caps: Caps) -> None:
        self.folder, self.caps, self.members, self.total, self._stated = folder, caps, 0, 0, 0
        self._seen: set[str] = set()

    def count(self) -> None:
        self.members += 1
        if self.members > self.caps.members:
            raise TooMuch(f"The upload holds more than {self.caps.members:,} files and folders.")

    def member(self, name: str, source: IO[bytes], packed: int | None = None) -> None:
        """Copy one file, `packed` bytes in the archive; stops at the first byte beyond a cap."""
        target = self._target(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        size = 0
        with target.open("xb") as file:
            while chunk := source.read(CHUNK):
                size += len(chunk)
                self._sizes(name, size, len(chunk), packed)
                file.write(chunk)

    def stated(self, name: str, size: int, packed: int | None = None) -> None:
        """A header is never believed when it says little, and always when it says too much."""
        self._stated += size
        self._bounds(name, size, max(self._stated, self.total), packed)

    def one(self, name: str, source: Path) -> None:
        self.count()
        with source.open("rb") as file:
            self.member(name, file)

    def _sizes(self, name: str, size: int, more: int, packed: int | None) -> None:
        self.total += more
        self._bounds(name, size, self.total, packed)

    def _bounds(self, name: str, size: int, total: int, packed: int | None) -> None:
        if size > self.caps.file or total > self.caps.total:
            raise TooMuch(f"The upload unpacks to more than {self.caps.total // MIB} MiB.")
        if packed is not None and size > self.caps.ratio_from and size > self.caps.ratio * max(packed, 1):
            raise TooMuch(f"{shown(name)} unpacks to more than {self.caps.ratio} times its packed size.")

    def _target(self, name: str) -> Path:
        path = safe(name, self.caps)
        key = unicodedata.normalize("NFC", str(path)).casefold()
        if key in self._seen:
            raise Refused(
                "unpack", f"The upload holds {shown(name)} twice (names are compared without upper and lower case)."
            )
        self._seen.add(key)
        target = self.folder / path
        if target.is_dir() or any(self._is_file(parent) for parent in path.parents):
            raise Refused("unpack", f"{shown(name)} is both a file and a folder in the upload.")
        return target

    def _is_file(self, path: PurePosixPath) -> bool:
        return unicodedata.normalize("NFC", str(path)).casefold() in self._seen


def safe(name: str, caps: Caps = CAPS) -> PurePosixPath:
    """The member's path below the package; raises Refused when it could mean a place outside, on any system."""
    plain = name.replace("\\", "/")
    parts = plain.split("/")
    if "\\" in name or plain.startswith("/") or ".." in parts or (len(plain) > 1 and plain[1] == ":"):
        raise Refused("unpack", f"{shown(name)} would leave the package's folder; use plain relative names.")
    path = PurePosixPath(plain)
    if not path.parts or any(_bad_part(part) for part in path.parts) or len(path.parts) > caps.depth:
        raise Refused("unpack", f"{shown(name)} is not a name that every system can store.")
    if len(plain.encode("utf-8", "surrogatepass")) > caps.name:
        raise Refused("unpack", f"{shown(name)} is longer than {caps.name} bytes.")
    return path


def _bad_part(part: str) -> bool:
    stem = part.split(".")[0].strip().lower()
    odd = any(ord(char) < 32 or ord(char) == 127 or 0xD800 <= ord(char) <= 0xDFFF or char in '<>:"|?*' for char in part)
    return odd or stem in DEVICES or part != part.strip() or part.endswith(".")


def shown(name: str) -> str:
    """The name as a page can show it: no control characters, at most 80 letters."""
    plain = "".join(char if char.isprintable() else "�" for char in name)
    return f"“{plain[:80]}{'…' if len(plain) > 80 else ''}”"


def _folder(upload: Path, writer: Writer) -> None:
    for path, relative in _walk(upload):
        mode = os.lstat(path).st_mode
        writer.count()
        if stat.S_ISDIR(mode):
            safe(relative, writer.caps)
        elif stat.S_ISREG(mode):
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            with os.fdopen(handle, "rb") as file:
                writer.member(relative, file)
        else:
            raise Refused("unpack", _not_plain(relative))


def _walk(upload: Path) -> Iterator[tuple[str, str]]:
    for base, folders, files in os.walk(upload):
        for name in [*folders, *files]:
            path = os.path.join(base, name)
            yield path, os.path.relpath(path, upload)


def _zip(upload: Path, writer: Writer) -> None:
    ziphead.check(upload, writer.caps.members)
    with zipfile.ZipFile(upload) as archive:
        for info in archive.infolist():
            writer.count()
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise Refused("unpack", _not_plain(info.filename))
            if info.flag_bits & 1:
                raise Refused("unpack", f"{shown(info.filename)} is encrypted; send the archive without a password.")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise Refused(
                    "unpack", f"{shown(info.filename)} is packed in an unusual way; use the usual zip (deflate)."
                )
            if "\x00" in info.orig_filename:
                raise Refused("unpack", f"{shown(info.orig_filename)} is not a name that every system can store.")
            if info.is_dir():
                safe(info.filename.rstrip("/") or "/", writer.caps)
                continue
            writer.stated(info.filename, info.file_size, info.compress_size)
            with archive.open(info) as source:
                writer.member(info.orig_filename, source, info.compress_size)


def _tar(upload: Path, writer: Writer) -> None:
    packed = upload.stat().st_size
    with gzip.open(upload) as stream:
        counted = Counted(stream, writer.caps.total, writer.caps.ratio, writer.caps.ratio_from, packed)
        with tarfile.open(fileobj=counted, mode="r|", tarinfo=CappedTarInfo) as archive:  # type: ignore[call-overload]
            for info in archive:
                writer.count()
                if info.isdir():
                    _root_or_safe(info.name, writer.caps)
                elif info.isreg() and not info.issparse():
                    writer.stated(info.name, info.size)
                    source = archive.extractfile(info)
                    writer.member(_relative(info.name), source)
                else:
                    raise Refused("unpack", _not_plain(info.name))


def _relative(name: str) -> str:
    """`tar -C folder .` writes ./name."""
    return name[2:] if name.startswith("./") else name


def _root_or_safe(name: str, caps: Caps) -> None:
    if name not in (".", "./"):
        safe(_relative(name).rstrip("/"), caps)


def _not_plain(name: str) -> str:
    return f"{shown(name)} is a link or a special file; a package holds plain files only."


def _strip(folder: Path) -> None:
    """One folder around everything is taken off."""
    entries = list(folder.iterdir())
    if len(entries) != 1 or not entries[0].is_dir():
        return
    aside = folder.with_name(folder.name + ".inner")
    entries[0].rename(aside)
    folder.rmdir()
    aside.rename(folder)


def _short(error: BaseException) -> str:
    return shown(str(error) or type(error).__name__)


def remove(*paths: Path) -> None:
    """Take away files and folders; what is not there is fine."""
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
