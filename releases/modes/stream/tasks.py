"""Celery tasks of streams."""

from __future__ import annotations

from celery import shared_task

from releases.modes.stream import hooks


@shared_task
def deliver() -> None:
    """Send results to the addresses that want them."""
    hooks.deliver_due()
