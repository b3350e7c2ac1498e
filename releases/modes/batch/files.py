"""The files of batch jobs: uploads, the input folder, what a job leaves, and links to it that end soon."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from django.core import signing

from releases.errors import Refused
from releases.models import BatchJob
from serving.batch.places import ERRORS, MADE, OUTPUT, PARTS, PLAIN, REFUSED, UPLOADED, durable

FORMS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
GZIP = ".gz"
SALT, LINK_SECONDS = "slipway.batch", 600
SWEEP_SECONDS = 6 * 3600
KINDS = {"output": OUTPUT, "errors": ERRORS}
# What a job needs while it is on its way, and nobody after it.
WORK = (PLAIN, PARTS, MADE, REFUSED)


def form_of(name: str) -> tuple[str, bool]:
    """Return the form that a file's name says, and whether it is packed; raises Refused."""
    path = Path(name.lower())
    packed = path.suffix == GZIP
    form = FORMS.get(path.with_suffix("").suffix if packed else path.suffix)
    if form is None or (packed and form == "parquet"):
        raise Refused("Name the file .csv, .jsonl or .parquet; the first two also with .gz behind.", "file")
    return form, packed


def folder_of(job: BatchJob) -> Path:
    return Path(settings.BATCHES) / job.folder


def keep(chunks: Iterable[bytes]) -> tuple[str, int]:
    """Write an upload into a folder of its own; return the folder's name and the bytes. Raises Refused."""
    name, size = uuid.uuid4().hex, 0
    folder = Path(settings.BATCHES) / name
    folder.mkdir(parents=True, mode=0o700)
    try:
        with durable(folder / UPLOADED) as sink:
            for chunk in chunks:
                size += len(chunk)
                if size > settings.UPLOAD_MAX_BYTES:
                    limit = settings.UPLOAD_MAX_BYTES // (1 << 20)
                    raise Refused(f"Files over {limit} MB go into the input folder of the server instead.", "file")
                sink.write(chunk)
        if not size:
            raise Refused("The file is empty.", "file")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return name, size


def stored(name: str) -> Path:
    """Return a file of the input folder by its name below it; raises Refused for anything else."""
    root = Path(settings.BATCH_INPUTS).resolve()
    path = (root / name).resolve() if name and "\0" not in name else root
    if not path.is_relative_to(root) or path == root:
        raise Refused("Name a file below the input folder, such as sales-2026-11.csv.", "stored")
    if not path.is_file():
        raise Refused(f"There is no file {name} in the input folder.", "stored")
    return path


def bring(job: BatchJob) -> None:
    """Copy a stored input into the job's folder: what happens to the original later changes nothing."""
    target = folder_of(job) / UPLOADED
    if job.stored and not target.exists():
        with stored(job.stored).open("rb") as source, durable(target) as sink:
            shutil.copyfileobj(source, sink, 1 << 20)


def input_of(job: BatchJob) -> Path | None:
    """Return the input as it came, where it is still there."""
    path = folder_of(job) / UPLOADED
    return path if path.is_file() else None


def tidy(job: BatchJob) -> None:
    """Remove what only a job on its way needs."""
    for name in WORK:
        path = folder_of(job) / name
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def drop(job: BatchJob) -> None:
    """Remove all files of a job."""
    shutil.rmtree(folder_of(job), ignore_errors=True)


def sweep(known: set[str]) -> None:
    """Remove folders that no job has, left by whoever was killed before there was one."""
    for folder in Path(settings.BATCHES).glob("*"):
        if folder.name not in known and time.time() - folder.stat().st_mtime > SWEEP_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


def path_of(job: BatchJob, kind: str) -> Path | None:
    """Return the job's output or errors, where there are any."""
    path = folder_of(job) / KINDS[kind]
    return path if path.is_file() else None


def name_of(job: BatchJob, kind: str) -> str:
    """Return the name under which a file is downloaded."""
    stem = Path(job.filename).name
    for end in (GZIP, *FORMS):
        stem = stem[: -len(end)] if stem.lower().endswith(end) else stem
    if kind == "errors":
        return f"{stem}-errors.csv"
    return f"{stem}-predictions.{job.form}{GZIP if job.packed else ''}"


def sign(job: BatchJob, kind: str) -> str:
    """Return a token for one file of one job; it ends after ten minutes."""
    return signing.dumps([job.pk, kind], salt=SALT)


def link(job: BatchJob, kind: str) -> str:
    """Return the address of one file, for whoever has it, until it ends."""
    return f"/batches/files/{sign(job, kind)}/"


def unsign(token: str) -> tuple[int, str] | None:
    """Return the job and the kind of file that a token opens, None for one that is wrong or over."""
    try:
        pk, kind = signing.loads(token, salt=SALT, max_age=LINK_SECONDS)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return (int(pk), str(kind)) if kind in KINDS else None
