"""Make a bundle of a package's serving form: golden rows, the runner, the manifest with its signature."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from serving import artefacts, runtimes
from serving.alone import alone
from serving.contract import ContractError, Decoder
from serving.edge import runner
from serving.edge.copies import check, digest
from serving.edge.documents import (
    BUNDLE,
    CONTRACT,
    GOLDEN,
    MANIFEST,
    MODEL,
    SIGNATURE,
    EdgeError,
    File,
    Manifest,
    id_of,
    sign,
)
from serving.edge.model import apart
from serving.edge.wrong import wrong_rows
from serving.folders import drafted, publish
from serving.runtimes.base import ModelError
from serving.runtimes.onnx import load_onnx
from serving.runtimes.rows import predictions

PROVENANCE, LICENCE, RUNNER = "provenance.json", "LICENCE.txt", "runner.pyz"
FULL, SMALLER = "full", "smaller"
# The same file on the same runtime: what the rounding of another processor, or of WebAssembly, may add.
TOLERANCE = 1e-5
MOST_GOLDEN = 20


@dataclass(frozen=True)
class Source:
    """What a bundle is made of. `model` is the ONNX file where it is not the serving form's own, as a smaller one."""

    name: str
    package: int
    form: Path
    artefact: str
    example: Sequence[Mapping[str, Any]]
    provenance: Mapping[str, Any]
    licence: str
    variant: str = FULL
    model: Path | None = None
    tolerance: float = TOLERANCE


def make(source: Source, into: Path, key: Ed25519PrivateKey) -> str:
    """Write `into/<id>/` at once, and return the id; the same source gives the same bundle.

    Raises EdgeError for a package that is not answered by ONNX Runtime, ArtefactError for one whose files were altered.
    """
    form = artefacts.verify(source.form, source.artefact)
    if form.runtime != "onnx":
        raise EdgeError("This package is answered by scikit-learn; a device runs ONNX files only.")
    with drafted(into) as draft:
        _fill(draft, source, form)
        manifest = Manifest(
            model=source.name,
            package=source.package,
            digest=form.package,
            variant=source.variant,
            kind=form.kind,
            classes=form.classes,
            onnx=form.onnx,
            tolerance=source.tolerance,
            files=tuple(File(path.name, *digest(path)) for path in sorted(draft.iterdir())),
        )
        data = manifest.to_bytes()
        (draft / MANIFEST).write_bytes(data)
        (draft / SIGNATURE).write_text(sign(BUNDLE, data, key))
        check(draft, key.public_key())
        bundle = id_of(data)
        publish(draft, into / bundle)
    return bundle


def _fill(draft: Path, source: Source, form: artefacts.Manifest) -> None:
    shutil.copyfile(source.model or source.form / form.model_file, draft / MODEL)
    shutil.copyfile(source.form / artefacts.SIGNATURE, draft / CONTRACT)
    _write(draft / GOLDEN, golden(source.form, form, source.example))
    _write(draft / PROVENANCE, source.provenance)
    (draft / LICENCE).write_text(source.licence)
    (draft / RUNNER).write_bytes(runner.packed())


def golden(folder: Path, form: artefacts.Manifest, example: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return rows with the answers that the server gives, and wrong ones with the rules by which it refuses them.

    The rows are those of the example, and more that are drawn from the signature; one that the model fails on is none.
    """
    signature = runtimes.read_signature(folder)
    decoder, runtime = Decoder(signature), runtimes.load(folder, form, signature)
    rows = list(example)[:MOST_GOLDEN]
    rows += signature.draw(np.random.default_rng(0), MOST_GOLDEN - len(rows), rows)
    kept, answers = [], []
    try:
        batch = decoder.batch(rows)
        for at, found in alone(runtime.predict, batch):
            if not isinstance(found, str):
                made = predictions(found)
                kept += rows[at : at + len(made)]
                answers += made
    except ContractError as problem:
        raise EdgeError(f"Its example does not keep its own signature: {problem}") from problem
    finally:
        runtime.close()
    if not kept:
        raise EdgeError("The model answers none of its golden rows.")
    name = signature.tensor.name if signature.tensor else ""
    shown = [row[name] for row in kept] if name else kept
    return {"rows": shown, "predictions": answers, "refused": _refused(decoder, shown[0])}


def measured(source: Source) -> float:
    """Return how far the answers of a source's own model file are away from those of the package (`model.apart`)."""
    form = artefacts.verify(source.form, source.artefact)
    wanted = golden(source.form, form, source.example)
    signature = runtimes.read_signature(source.form)
    runtime = load_onnx(source.model or source.form / form.model_file, form, signature)
    try:
        body = json.dumps({"instances": wanted["rows"]}).encode()
        return apart(predictions(runtime.predict(Decoder(signature).decode_v1(body))), wanted["predictions"])
    except ModelError as error:
        raise EdgeError(str(error)) from error
    finally:
        runtime.close()


def _refused(decoder: Decoder, row: Any) -> list[dict[str, Any]]:
    found = []
    for wrong in wrong_rows(decoder.signature, row):
        try:
            decoder.decode_v1(json.dumps({"instances": [wrong]}).encode())
        except ContractError as problem:
            found.append({"row": wrong, "rules": [[each["field"], each["rule"]] for each in problem.details]})
    return found


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, sort_keys=True, ensure_ascii=False))
