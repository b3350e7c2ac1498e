"""`manage.py register NAME PATH`: upload a folder or a file as a package and print the steps of its intake."""

from __future__ import annotations

import tarfile
import tempfile
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, connection
from django.utils import timezone
from rest_framework.exceptions import ValidationError

from releases.actions import intake as intakes
from releases.actions import packages
from releases.api.declaring import Constraints
from releases.api.errors import sentences
from releases.errors import Conflict, Refused
from releases.models import Intake, MLModel

PATIENCE = timedelta(seconds=5)  # so long a worker may take to begin; then this process does the work
SILENCE = timedelta(seconds=30)  # so long a worker may be silent in the middle
LOOK_SECONDS = 0.2


class Command(BaseCommand):
    help = "Register a package: an MLflow or plain folder, a .zip, a .tar.gz, a .skops or an .onnx file."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the model, such as flight-eta")
        parser.add_argument("path", type=Path, help="the folder or the file")
        parser.add_argument("--constraints", type=Path, help='a JSON file: {"distance": {"gt": 0, "unit": "miles"}}')
        parser.add_argument("--notes", default="", help="a line for the package's page")
        parser.add_argument("--create", action="store_true", help="make the model when it does not exist")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            model = _model(options["name"], options["create"])
            self._report(_upload(model, options["path"], _declared(options)))
        except (Refused, Conflict) as error:
            raise CommandError(error.message) from error
        except OperationalError as error:
            raise CommandError(f"The database cannot be used ({error}). Start Slipway once with `make up`.") from error

    def _report(self, intake: Intake) -> None:
        """Print each step once, when it has ended, until the intake has ended; its end is the exit code."""
        said: set[str] = set()
        for seen in _watch(intake.pk):
            for step in seen.steps:
                if step["state"] != "running" and step["name"] not in said:
                    said.add(step["name"])
                    self.stdout.write(f"{step['name']:<10}{step['state']:<9}{step['seconds']:7.2f} s  {step['detail']}")
        if seen.package is None:
            raise CommandError(f"Refused: {seen.reason}")
        again = "these files were registered before: " if seen.was_known else ""
        self.stdout.write(f"{again}package {seen.package.number} of {seen.model.name}, {seen.package.digest}")


def _model(name: str, create: bool) -> MLModel:
    model = MLModel.objects.filter(name=name).first()
    if model is None and not create:
        raise CommandError(f"There is no model named {name}. Make it with --create, or in the browser.")
    return model or packages.create_model(actor=None, name=name)


def _declared(options: dict[str, Any]) -> dict[str, Any]:
    declared = {"notes": options["notes"]} if options["notes"] else {}
    path: Path | None = options["constraints"]
    if path is None:
        return declared
    try:
        return {**declared, "constraints": Constraints().run_validation(path.read_text())}
    except ValidationError as error:
        raise CommandError(f"{path}: {' '.join(sentences(error.detail))}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"The constraints cannot be read from {path}: {error}") from error


def _upload(model: MLModel, path: Path, declared: dict[str, Any]) -> Intake:
    try:
        if not path.is_dir():
            with path.open("rb") as file:
                return packages.register(actor=None, model=model, filename=path.name, chunks=file, declared=declared)
        with tempfile.TemporaryFile() as packed:
            _pack(path, packed)
            name = f"{path.resolve().name}.tar.gz"
            return packages.register(actor=None, model=model, filename=name, chunks=packed, declared=declared)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror or error}") from error


def _pack(folder: Path, into: IO[bytes]) -> None:
    """Pack the folder as it is; a link stays a link, which the intake refuses."""
    with tarfile.open(fileobj=into, mode="w:gz", compresslevel=1) as archive:
        for child in sorted(folder.iterdir()):
            archive.add(child, arcname=child.name)
    into.seek(0)


def _watch(pk: int) -> Any:
    """Yield the intake again and again until it has ended; do the work here when no worker does."""
    worker: threading.Thread | None = None
    while True:
        intake = Intake.objects.select_related("model", "package").get(pk=pk)
        yield intake
        if intake.state not in Intake.OPEN:
            break
        if _is_left_alone(intake) and not (worker and worker.is_alive()):
            worker = threading.Thread(target=_work, args=[pk])
            worker.start()
        time.sleep(LOOK_SECONDS)
    if worker:
        worker.join()


def _is_left_alone(intake: Intake) -> bool:
    now = timezone.now()
    if intake.state == Intake.State.QUEUED:
        return intake.created_at < now - PATIENCE
    return intake.beat_at is None or intake.beat_at < now - SILENCE


def _work(pk: int) -> None:
    try:
        intakes.run(pk)
    finally:
        connection.close()
