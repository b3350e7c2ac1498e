"""Bundles: made of a package when they are first asked for, kept in a folder by their id, sent as files or as a zip."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import IO

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from releases.actions import audit
from releases.errors import Conflict
from releases.models import EdgeBundle, Package
from releases.modes.edge.signing import private_key
from releases.rights import REGISTER, require
from serving.artefacts import ArtefactError, folder_of
from serving.edge.documents import EdgeError, is_id
from serving.edge.making import FULL, TOLERANCE, Source, make
from serving.edge.trying import test_apart

NO_LICENCE = "This package states no licence.\n"


def why_not(package: Package) -> str:
    """Say why no bundle can be made of a package; nothing where one can."""
    if package.runtime == "onnx":
        return ""
    return f"It is answered by scikit-learn, and a device runs ONNX files only. {package.runtime_reason}".strip()


def newest(package: Package, variant: str = FULL) -> EdgeBundle | None:
    """Return the newest bundle of a package that is still on the disk."""
    found = EdgeBundle.objects.filter(package=package, variant=variant).exclude(bundle=None).first()
    return found if found and folder(found.bundle or "").is_dir() else None


def folder(bundle: str) -> Path:
    return Path(settings.EDGE) / bundle


def file(bundle: str, name: str) -> Path | None:
    """Return one file of a bundle; None for what is no bundle, or none of its files."""
    path = folder(bundle) / name
    fits = is_id(bundle) and name not in ("", ".", "..") and Path(name).name == name
    return path if fits and path.is_file() and not path.is_symlink() else None


def export(*, actor: User | None, package: Package) -> EdgeBundle:
    """Make the bundle of a package, or return the one that there is.

    Raises Forbidden, Conflict (a package that no device can run, or whose self-test fails here).
    """
    require(actor, REGISTER)
    if words := why_not(package):
        raise Conflict(f"No bundle can be made of package {package.number}. {words}")
    source = source_of(package)
    try:
        bundle = make(source, settings.EDGE, private_key())
    except (EdgeError, ArtefactError) as error:
        raise Conflict(f"No bundle can be made of package {package.number}. {error}") from error
    return keep(actor, package, bundle, source)


def keep(actor: User | None, package: Package, bundle: str, source: Source, apart: float = 0.0) -> EdgeBundle:
    """Return the row of a bundle; a new one is tested first, in a process of its own. Raises Conflict."""
    known = EdgeBundle.objects.filter(bundle=bundle).first()
    if known:
        return known
    report = test_apart(folder(bundle))
    if not report.passed:
        shutil.rmtree(folder(bundle), ignore_errors=True)
        raise Conflict(f"The bundle of package {package.number} fails its own test here. {report.problem}")
    columns = {
        "package": package,
        "variant": source.variant,
        "size": (folder(bundle) / "model.onnx").stat().st_size,
        "tolerance": source.tolerance,
        "apart": apart,
        "memory": report.memory,
        "seconds": report.seconds,
        "made_at": timezone.now(),
        "made_by": actor,
    }
    with transaction.atomic():
        found, new = EdgeBundle.objects.get_or_create(bundle=bundle, defaults=columns)
        if new:
            details = {"bundle": bundle, "variant": source.variant}
            audit.record("edge.export", found, actor=actor, model=package.model.name, details=details)
    return found


def source_of(package: Package) -> Source:
    said = package.provenance.get("licence") or package.provenance.get("license")
    return Source(
        name=package.model.name,
        package=package.number,
        form=folder_of(settings.ARTEFACTS, package.artefact),
        artefact=package.artefact,
        example=package.example,
        provenance=package.provenance,
        licence=f"{said}\n" if said else NO_LICENCE,
        tolerance=TOLERANCE,
    )


def archive(*, actor: User | None, package: Package, variant: str) -> tuple[str, IO[bytes]] | None:
    """Return the newest bundle as a zip file, its name and open for reading; None without one. Raises Forbidden."""
    require(actor, REGISTER)
    found = newest(package, variant)
    return (f"{package.model.name}-{package.number}-{variant}.zip", _packed(found)) if found else None


def _packed(bundle: EdgeBundle) -> IO[bytes]:
    """It is gone when it is closed."""
    target = tempfile.TemporaryFile()  # noqa: SIM115 - whoever sends it closes it
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder(bundle.bundle or "").iterdir()):
            archive.write(path, path.name)
    target.seek(0)
    return target
