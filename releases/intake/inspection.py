"""Look at every file of a package from outside: a pickle is refused, an archive inside is looked into."""

import os
import zipfile
import zlib
from pathlib import Path

from releases.intake import pickles, ziphead
from releases.intake.report import Refused
from releases.intake.unpack import shown

ARCHIVES = {".skops", ".npz", ".zip"}
MEMBERS = 50_000


def inspect(folder: Path) -> int:
    """Raises Refused for the first file that is a pickle in any disguise; the number of files that were looked at."""
    paths = sorted(path for base, _, names in os.walk(folder) for path in (Path(base, name) for name in names))
    for path in paths:
        _look(path, path.relative_to(folder).as_posix())
    return len(paths)


def _look(path: Path, name: str) -> None:
    with path.open("rb") as file:
        head = pickles.head_of(file)
    if why := pickles.disguise(name, head):
        raise refusal(name, why)
    if head.startswith(b"PK\x03\x04") or path.suffix.lower() in ARCHIVES:
        _look_inside(path, name)


def _look_inside(path: Path, name: str) -> None:
    if not zipfile.is_zipfile(path):
        what = "a skops file (a zip inside)" if path.suffix.lower() == ".skops" else "a zip archive"
        raise Refused("inspect", f"{shown(name)} is not {what}, although its name says so. {pickles.ADVICE}")
    ziphead.check(path, MEMBERS, "inspect")
    try:
        found = pickles.inside_zip(path)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError):
        raise Refused("inspect", f"{shown(name)} is a damaged archive and cannot be read.") from None
    if found:
        raise refusal(f"{name}/{found.split(' ', 1)[0]}", found.split(" ", 1)[1])


def refusal(name: str, why: str) -> Refused:
    """The one sentence for pickles."""
    return Refused(
        "inspect",
        f"{shown(name)} {why}. Opening a pickle can run any code, so it was refused unopened. {pickles.ADVICE}",
    )
