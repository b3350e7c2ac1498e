"""Take one upload through its intake, its steps shown live; a lost worker's intake is taken up by another."""

from __future__ import annotations

import logging
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from releases import intake as coming_in
from releases.actions import packages
from releases.alive import beating
from releases.errors import Conflict
from releases.models import Intake

log = logging.getLogger(__name__)

ATTEMPTS = 3
BEAT_SECONDS = 5.0
LOST = timedelta(seconds=30)
WORK = "intake-"  # how the folders in which uploads are unpacked begin; one that a killed worker left is pruned


def run(intake_id: int) -> None:
    """Claim the intake and carry it to its end; somebody else's is left alone."""
    intake = claim(intake_id)
    if intake is None:
        return
    if intake.attempts > ATTEMPTS:
        packages.refuse(intake, "The worker died on this upload three times. It is not tried again.", "errored")
        return
    try:
        with beating(lambda: _beat(intake), BEAT_SECONDS):
            result = _carry(intake)
        packages.accept(intake, result)
    except coming_in.Refused as refusal:
        packages.refuse(intake, refusal.reason)
    except Conflict:
        log.warning("%s was ended by another worker", intake)
    except Exception:
        log.exception("%s failed", intake)
        packages.refuse(intake, "Something went wrong on our side; the log of the worker says what.", "errored")


def claim(intake_id: int) -> Intake | None:
    """Take the intake if it is queued, or if its worker has been silent: exactly one worker wins."""
    now = timezone.now()
    free = models.Q(state=Intake.State.QUEUED) | models.Q(state=Intake.State.RUNNING, beat_at__lt=now - LOST)
    won = Intake.objects.filter(free, pk=intake_id).update(
        state=Intake.State.RUNNING, beat_at=now, steps=[], attempts=models.F("attempts") + 1
    )
    return Intake.objects.select_related("model", "created_by").get(pk=intake_id) if won else None


def _beat(intake: Intake) -> None:
    """A step may take minutes, and nobody shall take this worker for dead."""
    Intake.objects.filter(pk=intake.pk, state=Intake.State.RUNNING).update(beat_at=timezone.now())


def _carry(intake: Intake) -> coming_in.Accepted:
    for folder in (settings.PACKAGES, settings.ARTEFACTS):
        folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=WORK, dir=settings.VAR))
    try:
        return coming_in.run(
            Path(intake.upload),
            work=work,
            packages=settings.PACKAGES,
            artefacts=settings.ARTEFACTS,
            declared=intake.declared,
            on_step=lambda step: show(intake, step),
        )
    finally:
        shutil.rmtree(work, ignore_errors=True)


def show(intake: Intake, step: coming_in.Step) -> None:
    """Write one step into the report, in place of the same step's earlier word."""
    row: dict[str, Any] = {"name": step.name, "state": step.state, "detail": step.detail, "seconds": step.seconds}
    others = [known for known in intake.steps if known["name"] != step.name]
    intake.steps = [*others, row]
    Intake.objects.filter(pk=intake.pk, state=Intake.State.RUNNING).update(steps=intake.steps, beat_at=timezone.now())
