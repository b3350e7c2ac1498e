"""Ask a worker to look at a release now; when the broker is away, beat looks a second later."""

from __future__ import annotations

import logging

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

from releases.models import Release

log = logging.getLogger(__name__)


def wake(release: Release) -> None:
    """Enqueue the reconciler on commit."""
    transaction.on_commit(lambda: enqueue("releases.tasks.reconcile", release.pk))


def enqueue(task: str, *arguments: int, queue: str = "quick", expires: float | None = None) -> bool:
    """Send a task of this same layer; says False when the broker is away, and loses nothing: beat looks again."""
    try:
        current_app.send_task(task, args=arguments, queue=queue, retry=False, expires=expires)
    except (OperationalError, OSError) as error:
        log.warning("The broker is away, %s %s waits for beat: %s", task, arguments, error)
        return False
    return True
