"""Put an accepted package in its place under its digest: whole or not at all, and only once."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from releases.intake import running
from releases.intake.digest import of_file
from serving.artefacts import folder_of, write_serving_form

MODEL_MOST = 512 * 1024 * 1024


def package(folder: Path, packages: Path, digest: str) -> tuple[Path, bool]:
    """Move the unpacked `folder` to `packages/<hex>`; the place, and whether it is new."""
    packages.mkdir(parents=True, exist_ok=True)
    target = folder_of(packages, digest)
    if target.is_dir():
        return target, False
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=packages))
    try:
        shutil.copytree(folder, draft, dirs_exist_ok=True, copy_function=shutil.copyfile)
        draft.chmod(0o755)
        os.rename(draft, target)
    except OSError:
        if not target.is_dir():
            raise
        return target, False
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target, True


def serving_form(
    result: dict[str, Any], model: Path, out: Path, artefacts: Path, digest: str
) -> tuple[str, str | None]:
    """Write the serving form; its digest, and that of the ONNX file made here (None when none serves)."""
    made = result["runtime"] == "onnx" and model.suffix.lower() != ".onnx"
    file = model
    if made:
        file = out / "accepted.onnx"
        file.write_bytes(running.read_plain(out / "model.onnx", MODEL_MOST))
    artefact = write_serving_form(
        artefacts,
        package=digest,
        runtime=result["runtime"],
        kind=result["kind"],
        model=file,
        signature=result["signature"],
        classes=result["classes"],
        predict_fn=result["predict_fn"],
        example=result["example"],
    )
    return artefact, of_file(file) if made else None
