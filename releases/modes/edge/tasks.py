"""Celery tasks of the device's mode."""

from __future__ import annotations

from celery import shared_task
from django.contrib.auth.models import User

from releases.models import Package
from releases.modes.edge import smaller


@shared_task
def make_smaller(package: int, actor: int) -> None:
    """Make the smaller bundle of a package, or say why there is none."""
    found = Package.objects.select_related("model").get(pk=package)
    smaller.run(found, User.objects.filter(pk=actor).first())
