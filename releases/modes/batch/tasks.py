"""Celery tasks of batch jobs; beat's look afresh and heal what was lost."""

from __future__ import annotations

from celery import shared_task

from releases.models import BatchJob
from releases.modes.batch import carrying, ending, jobs, schedules


@shared_task
def work() -> None:
    """Take part in the batch jobs there are."""
    carrying.work()


@shared_task
def keep() -> None:
    """Call a worker where a job has something to do: one more may be idle, and one may have died."""
    if BatchJob.objects.filter(state__in=BatchJob.ACTIVE).exists():
        jobs.call()


@shared_task
def start_due() -> None:
    """Start what is due by its schedule."""
    schedules.start_due()


@shared_task
def prune() -> None:
    """Delete what is past its keeping time."""
    ending.prune()
