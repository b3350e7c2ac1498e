"""Celery tasks: run one suite; and what beat looks for: suites that are wanted, runs that lost their worker."""

from __future__ import annotations

import logging
import shutil
import time

from celery import shared_task
from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from releases.errors import Conflict
from releases.queries.wanted import wanted_checks
from testing import actions, runner
from testing.models import Run
from testing.suites import SUITES, quiet
from testing.suites.unit import FOLDER

log = logging.getLogger(__name__)

# While a measurement is tried again nothing heavy begins beside it.
CAN_WAIT = frozenset({"unit", "integration"})
KEPT_SECONDS = 3600


@shared_task
def run(run_id: int) -> None:
    """Take one run to its end."""
    runner.run(run_id)


@shared_task
def run_missing() -> None:
    """Start every suite that is wanted and is not open already."""
    hushed = quiet.asked()
    opened = set(Run.objects.filter(state__in=Run.OPEN).values_list("package_id", "environment_id", "kind"))
    for check in wanted_checks():
        if check.key in opened or check.kind not in SUITES or (hushed and check.kind in CAN_WAIT):
            continue
        try:
            actions.start(
                actor=None,
                package=check.package,
                environment=check.environment,
                kind=check.kind,
                cause=check.cause,
            )
        except Conflict as error:
            log.info("%s of %s waits: %s", check.kind, check.package, error)


@shared_task
def resume_runs() -> None:
    """Start again what lost its worker, and what never reached one."""
    silent = timezone.now() - runner.LOST
    lost = Q(state=Run.State.RUNNING, beat_at__lt=silent)
    waiting = Q(state=Run.State.QUEUED, created_at__lt=silent) & (Q(beat_at=None) | Q(beat_at__lt=silent))
    for found in Run.objects.filter(lost | waiting):
        if found.state == Run.State.QUEUED:
            # So that it is not sent every time while it waits behind others.
            Run.objects.filter(pk=found.pk, state=Run.State.QUEUED).update(beat_at=timezone.now())
        actions.put_in_queue(found)


@shared_task
def prune() -> None:
    """Remove working folders that a killed worker left."""
    for folder in settings.VAR.glob(f"{FOLDER}*"):
        if time.time() - folder.stat().st_mtime > KEPT_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
