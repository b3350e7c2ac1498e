"""The copies of bundles on a device: one is current, the one before is kept, and a switch is one rename.

`state.json` alone says which copy is current; it is replaced whole, after all that it names is on disk.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from serving.edge.documents import BUNDLE, MANIFEST, SIGNATURE, EdgeError, Manifest, id_of, verify
from serving.folders import drafted, publish, sync

STATE = "state.json"
CHUNK = 1 << 20


@dataclass(frozen=True)
class State:
    """What a device knows: its copies by id, the newest offer that it accepted, and the bundle that it refused."""

    current: str = ""
    previous: str = ""
    serial: int = 0
    offer: str = ""
    tag: str = ""
    refused: str = ""
    off: bool = False


class Copies:
    """A folder of one model's copies. Its methods raise EdgeError for what must not be used."""

    def __init__(self, home: Path, key: Ed25519PublicKey) -> None:
        self.home, self.key = home, key
        home.mkdir(parents=True, exist_ok=True)

    @property
    def state(self) -> State:
        """What was written last, or nothing yet."""
        try:
            found = json.loads((self.home / STATE).read_bytes())
            return State(**{name: found[name] for name in asdict(State())})
        except FileNotFoundError:
            return State()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EdgeError(f"{STATE} cannot be read; what is current is not known.") from error

    def keep(self, state: State) -> None:
        """Write the state at once: before the rename the old one counts, after it the new one."""
        draft = self.home / f".{STATE}"
        with draft.open("w") as file:
            json.dump(asdict(state), file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, self.home / STATE)
        sync(self.home)

    def folder(self, bundle: str) -> Path:
        return self.home / "copies" / bundle

    def has(self, bundle: str) -> bool:
        return bool(bundle) and (self.folder(bundle) / MANIFEST).is_file()

    def checked(self, bundle: str) -> Manifest:
        """Return the manifest of a copy of which every byte is as it was signed."""
        folder = self.folder(bundle)
        manifest = check(folder, self.key)
        if id_of((folder / MANIFEST).read_bytes()) != bundle:
            raise EdgeError("The copy is not the bundle that it is named by.")
        return manifest

    def draft(self) -> AbstractContextManager[Path]:
        """A folder to bring a bundle into; what is not added is thrown away."""
        return drafted(self.home / "copies")

    def add(self, draft: Path, *, wanted: str = "", model: str = "") -> str:
        """Make a draft a copy, once every byte of it is as it was signed; returns the bundle's id.

        Raises EdgeError also for a bundle that is not the wanted one, or of another model.
        """
        manifest = check(draft, self.key)
        bundle = id_of((draft / MANIFEST).read_bytes())
        if wanted and bundle != wanted:
            raise EdgeError("The bundle is signed, but it is not the one that the channel offers.")
        if model and manifest.model != model:
            raise EdgeError("The bundle is signed, but for another model.")
        target = self.folder(bundle)
        if target.exists():  # one that failed its check, else nobody would have brought it again
            shutil.rmtree(target)
        publish(draft, target)
        return bundle

    def switch(self, bundle: str) -> State:
        """Make a copy current; what was current becomes the one before."""
        old = self.state
        previous = old.current if old.current and old.current != bundle else old.previous
        new = replace(old, current=bundle, previous=previous if previous != bundle else "", refused="", off=False)
        self.keep(new)
        return new

    def back(self) -> State:
        """Return to the copy before, without asking anybody; raises EdgeError when there is none that is whole."""
        old = self.state
        if not self.has(old.previous):
            raise EdgeError("There is no copy before this one to return to.")
        self.checked(old.previous)
        new = replace(old, current=old.previous, previous="", refused=old.current)
        self.keep(new)
        return new

    def sweep(self) -> None:
        """Remove every copy that is neither current nor the one before, and drafts of an update that was killed."""
        kept = {self.state.current, self.state.previous}
        for path in (self.home / "copies").glob("*"):
            if path.name not in kept:
                shutil.rmtree(path, ignore_errors=True)
        for path in (self.home / "copies").glob(".draft-*"):
            shutil.rmtree(path, ignore_errors=True)


def check(folder: Path, key: Ed25519PublicKey) -> Manifest:
    """Return the manifest of a bundle in a folder; raises EdgeError at the first thing that is not as it was signed."""
    data = read(folder / MANIFEST)
    verify(BUNDLE, data, read(folder / SIGNATURE).decode("ascii", "replace").strip(), key)
    manifest = Manifest.from_bytes(data)
    wanted = {file.path for file in manifest.files} | {MANIFEST, SIGNATURE}
    if odd := {path.name for path in folder.iterdir()} ^ wanted:
        raise EdgeError(f"Missing or unexpected in the bundle: {', '.join(sorted(odd))}.")
    for file in manifest.files:
        if digest(folder / file.path) != (file.size, file.sha256):
            raise EdgeError(f"{file.path} is not the file that was signed.")
    return manifest


def digest(path: Path) -> tuple[int, str]:
    """Return bytes and SHA-256 (hex) of a file."""
    sha, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            sha.update(chunk)
            size += len(chunk)
    return size, sha.hexdigest()


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EdgeError(f"{path.name} cannot be read: {error.strerror}.") from error
