"""The serving form of a package: a folder named by its own digest, written whole or not at all, checked before use."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import unquote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import msgspec

from serving.folders import drafted, publish

MANIFEST, SIGNATURE, EXAMPLE = "manifest.json", "signature.json", "example.json"
MODEL_FILES = {"onnx": "model.onnx", "sklearn": "model.skops"}
MOST_BYTES = 2 * 2**30
MOST_MANIFEST = 2**20
CHUNK = 2**20


class ArtefactError(Exception):
    """A serving form that is missing, incomplete, altered or too large; the text says which file and why."""


class File(msgspec.Struct, frozen=True):
    """One file of the folder: its name, bytes and SHA-256 (hex)."""

    path: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What the folder holds and how to run it."""

    package: str
    runtime: str
    kind: str
    model_file: str
    files: list[File]
    classes: list[Any] | None = None
    predict_fn: str = "predict"
    columns: list[str] = []
    onnx: dict[str, Any] | None = None


def folder_of(artefacts: Path, digest: str) -> Path:
    """Return the folder of an artefact digest (`sha256:<hex>`) below the folder of all artefacts."""
    return artefacts / digest.removeprefix("sha256:")


def write_serving_form(
    artefacts: Path,
    *,
    package: str,
    runtime: str,
    kind: str,
    model: Path,
    signature: Mapping[str, Any],
    classes: list[Any] | None = None,
    predict_fn: str = "predict",
    onnx: dict[str, Any] | None = None,
    example: list[dict[str, Any]] | None = None,
) -> str:
    """Write `artefacts/<hex>/` at once and return its digest; writing the same again changes nothing."""
    with drafted(artefacts) as draft:
        (draft / SIGNATURE).write_bytes(_canonical(signature))
        shutil.copyfile(model, draft / MODEL_FILES[runtime])
        if example:
            (draft / EXAMPLE).write_bytes(_canonical(example))
        manifest = Manifest(
            package=package,
            runtime=runtime,
            kind=kind,
            model_file=MODEL_FILES[runtime],
            files=[_describe(draft, path) for path in sorted(draft.iterdir())],
            classes=classes,
            predict_fn=predict_fn,
            columns=[str(item.get("name") or "") for item in signature["inputs"]],
            onnx=onnx,
        )
        data = _canonical(manifest)
        (draft / MANIFEST).write_bytes(data)
        digest = _digest(data)
        publish(draft, folder_of(artefacts, digest))
    return digest


def verify(folder: Path, digest: str) -> Manifest:
    """Return the manifest when every byte is as the digest says; raises ArtefactError at the first difference."""
    manifest = _manifest(_read(folder / MANIFEST), digest)
    wanted = {file.path for file in manifest.files} | {MANIFEST}
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    if wanted != found:
        raise ArtefactError(f"{folder.name}: missing or unexpected: {', '.join(sorted(wanted ^ found))}.")
    for file in manifest.files:
        if _describe(folder, folder / file.path) != file:
            raise ArtefactError(f"{folder.name}: {file.path} is not the file that was accepted.")
    return manifest


def fetch(url: str, digest: str, into: Path, *, token: str = "", most: int = MOST_BYTES) -> Path:
    """Bring an artefact below `into`, checked file by file, and return its folder; raises ArtefactError.

    `url` is a folder: file://, http:// or https:// (then with `token` as bearer). What is there and whole is kept.
    """
    return fetch_verified(url, digest, into, token=token, most=most)[0]


def fetch_verified(
    url: str, digest: str, into: Path, *, token: str = "", most: int = MOST_BYTES
) -> tuple[Path, Manifest]:
    """Do what `fetch` does, and return the manifest too: every byte has been compared with it."""
    target = folder_of(into, digest)
    if target.is_dir():
        try:
            return target, verify(target, digest)
        except ArtefactError:
            shutil.rmtree(target)
    with drafted(into) as draft:
        _get(url, MANIFEST, draft, token, MOST_MANIFEST)
        manifest = _manifest(_read(draft / MANIFEST), digest)
        if sum(file.size for file in manifest.files) > most:
            raise ArtefactError(f"The artefact is larger than the {most} bytes that are allowed here.")
        for file in manifest.files:
            _get(url, file.path, draft, token, file.size)
        manifest = verify(draft, digest)
        publish(draft, target)
    return target, manifest


def _manifest(data: bytes, digest: str) -> Manifest:
    if _digest(data) != digest:
        raise ArtefactError(f"{MANIFEST} does not have the digest {digest[:19]}….")
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.MsgspecError as error:
        raise ArtefactError(f"{MANIFEST} cannot be read: {error}.") from error
    for path in (*(file.path for file in manifest.files), manifest.model_file):
        if Path(path).name != path or path in (MANIFEST, "..", "."):
            raise ArtefactError(f"{MANIFEST} names a file outside its folder.")
    return manifest


def _get(url: str, path: str, folder: Path, token: str, most: int) -> None:
    """Copy one file below `url` into the folder, at most `most` bytes."""
    try:
        with _open(f"{url.rstrip('/')}/{path}", token) as source, (folder / path).open("wb") as sink:
            left = most
            while chunk := source.read(CHUNK):
                left -= len(chunk)
                if left < 0:
                    raise ArtefactError(f"{path} is larger than its manifest says.")
                sink.write(chunk)
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise ArtefactError(f"{path} cannot be fetched: {reason}.") from error


class _NoRedirect(HTTPRedirectHandler):
    """A redirect would carry the token to another address."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _open(url: str, token: str) -> Any:
    parts = urlsplit(url)
    if parts.scheme == "file":
        return open(unquote(parts.path), "rb")
    if parts.scheme not in ("http", "https"):
        raise ArtefactError("An artefact's address must start with file://, http:// or https://.")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return build_opener(_NoRedirect).open(Request(url, headers=headers), timeout=30)  # noqa: S310 - scheme checked above


def _describe(folder: Path, path: Path) -> File:
    sha = hashlib.sha256()
    with path.open("rb") as source:
        while chunk := source.read(CHUNK):
            sha.update(chunk)
    return File(path.relative_to(folder).as_posix(), path.stat().st_size, sha.hexdigest())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtefactError(f"{path.name} cannot be read: {error.strerror}.") from error


def _canonical(value: Any) -> bytes:
    return msgspec.json.encode(value, order="deterministic")


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
