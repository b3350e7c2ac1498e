"""Celery tasks: fetch, call a verb, nothing more. Beat's tasks look afresh and heal what was lost."""

from __future__ import annotations

import logging
import shutil
import time

from celery import shared_task
from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from releases import broker, capture, judging, reconciler, replay, routes, shadows, smoke
from releases.actions import counts, keys
from releases.actions.intake import LOST, WORK, run
from releases.models import Intake, Release
from releases.wake import enqueue
from serving import exchange

log = logging.getLogger(__name__)

SETTLE_SECONDS = 5.0  # how long one worker stays with a release that moves; beat goes on after that
LOOK_SECONDS = 0.02


@shared_task
def reconcile(release_id: int) -> None:
    """Step a release until it has ended, or waits for something that only time brings."""
    until = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < until:
        plan = reconciler.reconcile(release_id)
        if plan is None or _waits(release_id, plan.action):
            return
        if plan.action == "hold":
            time.sleep(LOOK_SECONDS)


@shared_task
def replay_shadow(release_id: int) -> None:
    """Answer recorded requests with the package of a shadow."""
    replay.run(release_id)


@shared_task
def reconcile_all() -> None:
    """Look again at every unfinished release; one that fails does not stop the others.

    One that moves gets a worker that stays with it: a step a second would leave a scheduled *recreate* off for seconds.
    """
    smoke.undo_failed()
    for pk in Release.objects.filter(state__in=Release.UNFINISHED).values_list("pk", flat=True):
        try:
            plan = reconciler.reconcile(pk)
        except Exception:
            log.exception("Release %s could not be looked at; it is tried again in a second", pk)
        else:
            if plan and plan.action != "hold":
                enqueue("releases.tasks.reconcile", pk)


@shared_task
def publish_all() -> None:
    """Write every newest table again."""
    routes.send_all()


@shared_task
def roll_up() -> None:
    """Bring the gateways' counts into the database: minutes, then hours."""
    counts.roll_up(timezone.now())


@shared_task
def store_capture() -> None:
    """Bring captured requests from Redis to disk."""
    capture.store()


@shared_task
def note_key_use() -> None:
    """Bring into the database when keys were last used, once a minute; forget what is nobody's any more."""
    client = broker.client()
    exchange.forget_used(client, keys.note_use(exchange.get_used(client)))


@shared_task
def run_intake(intake_id: int) -> None:
    """Take one upload through its steps."""
    run(intake_id)


@shared_task
def resume_intakes() -> None:
    """Start again what lost its worker, and what never reached one."""
    silent = timezone.now() - LOST
    # A running one keeps its last sign of life, by which the worker that takes it up knows that it may.
    lost = Intake.objects.filter(state=Intake.State.RUNNING, beat_at__lt=silent)
    never = Q(beat_at=None) | Q(beat_at__lt=silent)
    stuck = list(Intake.objects.filter(never, state=Intake.State.QUEUED, created_at__lt=silent))
    Intake.objects.filter(pk__in=[intake.pk for intake in stuck]).update(beat_at=timezone.now())
    for intake in [*lost, *stuck]:
        enqueue("releases.tasks.run_intake", intake.pk, queue="long", expires=LOST.total_seconds())


@shared_task
def prune() -> None:
    """Drop counts and captured requests past their keeping time, uploads of no intake, what a dead worker left."""
    counts.prune(timezone.now())
    capture.prune(timezone.now())
    shadows.prune(timezone.now())
    judging.prune(timezone.now())
    owned = {path.split("/")[-2] for path in Intake.objects.exclude(upload="").values_list("upload", flat=True)}
    uploads = [folder for folder in settings.UPLOADS.glob("*") if folder.name not in owned]
    for folder in [*uploads, *settings.VAR.glob(f"{WORK}*")]:
        if time.time() - folder.stat().st_mtime > 3600:
            shutil.rmtree(folder, ignore_errors=True)


def _waits(release_id: int, action: str) -> bool:
    """A release that waits for a start time, a gate, the judge or its watch window is left to beat."""
    if action != "hold":
        return False
    release = Release.objects.only("state", "strategy").get(pk=release_id)
    judged = release.state == Release.State.SHIFTING and release.strategy in ("canary", "shadow", "edge")
    return judged or release.state in (Release.State.WAITING, Release.State.WATCHING)
