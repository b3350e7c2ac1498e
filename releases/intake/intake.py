"""How a package comes in, from the upload to the store, step by step."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from releases.intake import digest, inspection, running, signature, source, store, versions
from releases.intake.report import Accepted, OnStep, Progress, Refused, counted, weighed
from releases.intake.unpack import unpack
from serving.contract.signature import Signature
from serving.runtimes.trusted import TRUSTED_TYPES

SIGNATURE = "signature.json"


def run(
    upload: Path, *, work: Path, packages: Path, artefacts: Path, declared: Mapping[str, Any], on_step: OnStep
) -> Accepted:
    """Take `upload` (a folder, .zip, .tar.gz, .skops or .onnx) in; `declared` may hold inputs, outputs, constraints.

    `on_step` is called at every change of a step, from this thread. Raises Refused, after which nothing of the upload
    stands in `work`, `packages` or `artefacts`; the upload itself is the caller's.
    """
    progress = Progress(on_step)
    work.mkdir(parents=True, exist_ok=True)
    room = Path(tempfile.mkdtemp(prefix="intake-", dir=work)).resolve()
    try:
        return _run(upload, room, packages, artefacts, declared, progress)
    except Refused as refused:
        progress.refused(refused.step, refused.reason)
        raise
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _run(
    upload: Path, room: Path, packages: Path, artefacts: Path, declared: Mapping[str, Any], progress: Progress
) -> Accepted:
    folder, out = room / "package", room / "out"
    folder.mkdir()
    out.mkdir()
    kind = _unpack(upload, folder, progress)
    looked = inspection.inspect(folder)  # before anything of the upload is read, so that a pickle is named as one
    files = source.describe(folder, kind)
    progress.running("digest")
    known = _known(files, declared)
    entries = _write_signature(folder, known, progress) if known else []
    if known is None:
        progress.running("digest", "waits for the signature: the upload has none, so the model is asked")
    progress.running("inspect", f"{counted(looked, 'file')}, no pickle")
    result, ended = running.run(_job(folder, files, known, declared, looked), folder, out, progress)
    final = known or signature.parse(result["signature"])
    entries = entries or _write_signature(folder, final, progress)
    result["signature"] = final.to_json()
    compared = versions.compare(files.versions)
    progress.running("versions")
    progress.passed("versions", versions.sentence(compared))
    return _store(
        Room(folder, out), files, result, ended.tier, entries, compared, Stores(packages, artefacts), progress
    )


@dataclass(frozen=True)
class Room:
    """The two folders of one intake: the unpacked package, and what the child wrote."""

    package: Path
    out: Path


@dataclass(frozen=True)
class Stores:
    """Where accepted things go."""

    packages: Path
    artefacts: Path


def _unpack(upload: Path, folder: Path, progress: Progress) -> str:
    progress.running("unpack")
    kind = unpack(upload, folder)
    entries = digest.manifest(folder)
    size = sum(entry["size"] for entry in entries)
    progress.passed("unpack", f"{_KINDS[kind]}, {counted(len(entries), 'file')}, {weighed(size)}")
    return kind


_KINDS = {"folder": "a folder", "zip": "a zip archive", "tar": "a tar archive", "file": "a single file"}


def _known(files: source.Source, declared: Mapping[str, Any]) -> Signature | None:
    """The final signature when upload and form say all of it; None when the model must be asked."""
    given = signature.settle(files.signature, files.constraints, declared)
    return given if given and given.outputs else None


def _write_signature(folder: Path, final: Signature, progress: Progress) -> list[dict[str, Any]]:
    """The final signature is part of the package, and so of its digest."""
    (folder / SIGNATURE).write_text(signature.text(final), "utf-8")
    entries = digest.manifest(folder)
    progress.passed("digest", digest.digest(entries))
    return entries


def _job(
    folder: Path, files: source.Source, known: Signature | None, declared: Mapping[str, Any], looked: int
) -> dict[str, Any]:
    """What the child is told; a signature that is final already is handed over as such."""
    return {
        "package": str(folder),
        "model": files.model,
        "onnx": files.is_onnx,
        "files": looked,
        "trusted": list(TRUSTED_TYPES),
        "signature": known.to_json() if known else files.signature,
        "constraints": {} if known else files.constraints,
        "declared": {} if known else dict(declared),
        "example": files.example,
        "predict_fn": files.predict_fn,
    }


def _store(
    room: Room,
    files: source.Source,
    result: dict[str, Any],
    tier: str,
    entries: list[dict[str, Any]],
    compared: dict[str, Any],
    stores: Stores,
    progress: Progress,
) -> Accepted:
    progress.running("store")
    identity = digest.digest(entries)
    artefact, onnx = store.serving_form(result, room.package / files.model, room.out, stores.artefacts, identity)
    place, new = store.package(room.package, stores.packages, identity)
    progress.passed("store", "stored" if new else "the same files were stored before; nothing is stored twice")
    return Accepted(
        digest=identity,
        manifest=entries,
        signature=result["signature"],
        format=files.format,
        runtime=result["runtime"],
        runtime_reason=result["reason"],
        onnx_digest=onnx,
        artefact=artefact,
        size=sum(entry["size"] for entry in entries),
        example=result["example"],
        answers=result["answers"],
        provenance=files.provenance,
        versions=compared,
        differences=result["proof"],
        sandbox=tier,
        steps=list(progress.steps.values()),
        folder=place,
        kind=result["kind"],
    )
