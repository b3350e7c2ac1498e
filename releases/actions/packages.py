"""Register an upload, accept or refuse it, delete what is not live."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone

from releases import intake as coming_in
from releases.actions import audit, evidence
from releases.errors import Conflict, Refused
from releases.models import Intake, MLModel, Package, Release, Risk, Route
from releases.rights import DELETE, GATES, REGISTER, require
from releases.wake import enqueue

FILE_NAME_BYTES = 200


def create_model(*, actor: User | None, name: str, description: str = "", risk: str = Risk.MEDIUM) -> MLModel:
    """Make a model; raises Refused for a bad name, Conflict for one that exists, Forbidden.

    A risk other than medium changes what is asked of its packages, so it takes the right to edit gates.
    """
    require(actor, REGISTER)
    if risk != Risk.MEDIUM:
        require(actor, GATES)
    model = MLModel(name=name, description=description, risk=risk, created_by=actor)
    try:
        model.full_clean(exclude=["created_by"], validate_unique=False)
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise Refused(messages[0], field) from error
    try:
        with transaction.atomic():
            model.save(force_insert=True)
            audit.record("model.create", model, actor=actor, model=name, details={"risk": model.risk})
    except IntegrityError as error:
        raise Conflict(f"There is a model named {name} already.") from error
    return model


def register(
    *,
    actor: User | None,
    model: MLModel,
    filename: str,
    chunks: IO[bytes] | Any,
    declared: dict[str, Any] | None = None,
) -> Intake:
    """Keep the uploaded bytes and start their intake; the report is there at once, its steps follow live.

    `chunks` is an open binary file or an iterable of bytes. Raises Refused when it is empty or too big.
    """
    require(actor, REGISTER)
    path = _keep(filename, chunks)
    with transaction.atomic():
        intake = Intake.objects.create(
            model=model, filename=Path(filename).name[:255], upload=str(path), declared=declared or {}, created_by=actor
        )
        audit.record("package.upload", intake, actor=actor, model=model.name, details={"file": intake.filename})
        transaction.on_commit(lambda: enqueue("releases.tasks.run_intake", intake.pk, queue="long"))
    return intake


def accept(intake: Intake, result: coming_in.Accepted) -> Package:
    """Give the accepted upload its number; the same files twice are the same package."""
    with transaction.atomic():
        MLModel.objects.select_for_update().get(pk=intake.model_id)
        package = Package.objects.filter(model=intake.model, digest=result.digest).first()
        known = package is not None
        package = package or _number(intake, result)
        evidence.record(package.digest, "intake", "pass", reference=str(intake))
        _end(intake, Intake.State.ACCEPTED, package=package, was_known=known)
        action = "package.again" if known else "package.accept"
        audit.record(
            action, package, actor=intake.created_by, model=intake.model.name, details={"digest": package.digest}
        )
    return package


def refuse(intake: Intake, reason: str, state: str = Intake.State.REFUSED) -> None:
    """End an intake without a package; of the upload only this report remains."""
    with transaction.atomic():
        _end(intake, state, reason=reason[:1000])
        audit.record("package.refuse", intake, actor=intake.created_by, model=intake.model.name, reason=reason)


def delete(*, actor: User | None, package: Package) -> None:
    """Delete a package that is live nowhere and was never released; raises Conflict otherwise."""
    require(actor, DELETE)
    with transaction.atomic():
        routes = Route.objects.filter(Q(stable=package) | Q(previous=package)).select_related("environment")
        if live := ", ".join(route.environment.name for route in routes):
            raise Conflict(f"Package {package.number} is live, or the way back, in {live}. It cannot be deleted.")
        if Release.objects.filter(Q(package=package) | Q(replaces=package)).exists():
            raise Conflict(f"Package {package.number} stands in the history of releases. It cannot be deleted.")
        audit.record(
            "package.delete", package, actor=actor, model=package.model.name, details={"digest": package.digest}
        )
        bundles = [bundle for bundle in package.bundles.values_list("bundle", flat=True) if bundle]
        package.delete()
    _drop_files(package)
    for bundle in bundles:
        shutil.rmtree(settings.EDGE / bundle, ignore_errors=True)


def _keep(filename: str, chunks: Any) -> Path:
    folder = settings.UPLOADS / uuid.uuid4().hex
    folder.mkdir(parents=True, mode=0o700)
    path = folder / _file_name(filename)
    try:
        _write(path, chunks)
    except Refused:
        shutil.rmtree(folder)
        raise
    return path


def _file_name(filename: str) -> str:
    """Keep the name's end, which tells the format; file systems allow 255 bytes."""
    name = Path(filename.replace("\\", "/").replace("\0", "")).name or "upload"
    return name.encode(errors="replace")[-FILE_NAME_BYTES:].decode(errors="ignore")


def _write(path: Path, chunks: Any) -> None:
    written = 0
    with path.open("wb") as file:
        for chunk in iter(lambda: chunks.read(1 << 20), b"") if hasattr(chunks, "read") else chunks:
            written += len(chunk)
            if written > settings.UPLOAD_MAX_BYTES:
                limit = settings.UPLOAD_MAX_BYTES // (1 << 20)
                raise Refused(f"The upload is larger than {limit} MB. The setting UPLOAD_MAX_MB raises this.", "file")
            file.write(chunk)
    if not written:
        raise Refused("The file is empty.", "file")


def _number(intake: Intake, result: coming_in.Accepted) -> Package:
    MLModel.objects.filter(pk=intake.model_id).update(last_number=F("last_number") + 1)
    number = MLModel.objects.values_list("last_number", flat=True).get(pk=intake.model_id)
    return Package.objects.create(
        model=intake.model,
        number=number,
        created_by=intake.created_by,
        digest=result.digest,
        artefact=result.artefact,
        format=result.format,
        runtime=result.runtime,
        runtime_reason=result.runtime_reason,
        onnx_digest=result.onnx_digest,
        signature=result.signature,
        manifest=result.manifest,
        example=result.example,
        answers=result.answers,
        provenance=result.provenance,
        versions=result.versions,
        differences=result.differences,
        sandbox=result.sandbox,
        size=result.size,
        notes=str(intake.declared.get("notes") or "")[:500],
    )


def _end(intake: Intake, state: str, **columns: Any) -> None:
    columns |= {"state": state, "ended_at": timezone.now(), "upload": ""}
    if Intake.objects.filter(pk=intake.pk, state__in=Intake.OPEN).update(**columns) != 1:
        raise Conflict("This intake has ended already.")
    upload, intake.upload = intake.upload, ""
    for name, value in columns.items():
        setattr(intake, name, value)
    transaction.on_commit(lambda: drop_upload(upload))


def drop_upload(upload: str) -> None:
    """Remove the bytes of an upload; only ever inside the uploads folder."""
    folder = Path(upload).parent
    if upload and folder.parent == settings.UPLOADS:
        shutil.rmtree(folder, ignore_errors=True)


def _drop_files(package: Package) -> None:
    """Files are known by their digest and may serve another model too."""
    if not Package.objects.filter(digest=package.digest).exists():
        shutil.rmtree(settings.PACKAGES / package.digest.removeprefix("sha256:"), ignore_errors=True)
    if not Package.objects.filter(artefact=package.artefact).exists():
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(settings.ARTEFACTS / package.artefact.removeprefix("sha256:"))
