"""The same files are the same package, whatever carried them."""

import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from releases.intake.digest import digest, manifest
from releases.intake.unpack import unpack

WORD = st.text(alphabet="abcdefgé_-7", min_size=1, max_size=8)
PATH = st.lists(WORD, min_size=1, max_size=3).map("/".join)


def apart(files: dict[str, bytes]) -> bool:
    """No name is a folder of another, in any case."""
    names = sorted(name.casefold() for name in files)
    return len(set(names)) == len(names) and not any(b.startswith(f"{a}/") for a in names for b in names)


FILES = st.dictionaries(PATH, st.binary(max_size=200), min_size=1, max_size=8).filter(apart)


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def zipped(path: Path, files: dict[str, bytes], around: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in reversed(files.items()):
            archive.writestr(around + name, data)
    return path


def tarred(path: Path, folder: Path) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, arcname=".")
    return path


def identity(upload: Path, into: Path) -> str:
    into.mkdir()
    unpack(upload, into)
    return digest(manifest(into))


@settings(max_examples=25, deadline=None)
@given(FILES)
def test_folder_zip_and_tar_of_the_same_files_have_one_digest(files: dict[str, bytes]) -> None:
    files = {"model.skops": b"m", **files}
    with TemporaryDirectory() as name:
        base = Path(name)
        folder = write(base / "folder", files)
        uploads = [
            folder,
            zipped(base / "a.zip", files, ""),
            zipped(base / "b.zip", files, "top/"),
            tarred(base / "c.tgz", folder),
        ]
        assert len({identity(upload, base / f"out{i}") for i, upload in enumerate(uploads)}) == 1


@settings(max_examples=25, deadline=None)
@given(FILES, st.binary(max_size=200))
def test_one_other_byte_or_name_is_another_digest(files: dict[str, bytes], other: bytes) -> None:
    name, data = next(iter(files.items()))
    changed = {**files, name: other} if other != data else {**files, name + "x": b""}
    if not apart(changed):
        return
    with TemporaryDirectory() as base:
        one, two = write(Path(base) / "one", files), write(Path(base) / "two", changed)
        assert digest(manifest(one)) != digest(manifest(two))
