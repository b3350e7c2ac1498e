"""Switch capture on and off, and take out what was captured: both say in the audit trail who did it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction

from releases import capture, routes
from releases.actions import audit
from releases.errors import Refused
from releases.models import CaptureSetting, Environment, MLModel
from releases.rights import CAPTURE, require
from serving.captured import Record

EDITABLE = ("on", "share", "per_hour", "keep_days")


def configure(*, actor: User | None, model: MLModel, environment: Environment, **values: Any) -> CaptureSetting:
    """Change the settings; the gateways follow within a second. Raises Forbidden and Refused."""
    require(actor, CAPTURE)
    if unknown := set(values) - set(EDITABLE):
        raise Refused(f"This cannot be changed: {', '.join(sorted(unknown))}.", sorted(unknown)[0])
    with transaction.atomic():
        routes.lock(environment)
        setting, _ = CaptureSetting.objects.get_or_create(model=model, environment=environment)
        old = _settings(setting)
        for field, value in values.items():
            setattr(setting, field, value)
        _check(setting)
        changed = {field: [old[field], new] for field, new in _settings(setting).items() if old[field] != new}
        if changed:
            setting.save()
            where = environment.name
            audit.record("capture.change", setting, actor=actor, model=model.name, environment=where, details=changed)
            routes.publish(environment, f"capture of {model.name} changed")
    return setting


def take_out(
    *,
    actor: User | None,
    model: MLModel,
    environment: Environment,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int,
) -> Iterator[Record]:
    """Return what was captured, for somebody to keep; raises Forbidden."""
    require(actor, CAPTURE)
    times = {name: at.isoformat() for name, at in (("since", since), ("until", until)) if at}
    audit.record(
        "capture.take",
        f"captured requests of {model.name}",
        actor=actor,
        model=model.name,
        environment=environment.name,
        details={**times, "limit": limit},
    )
    return capture.read(model.name, environment.name, since, until, limit)


def _check(setting: CaptureSetting) -> None:
    if not 0 < setting.share <= 1:
        raise Refused("The share must be above 0 and at most 1; switch capture off to keep nothing.", "share")
    try:
        setting.full_clean()
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise Refused(messages[0], field) from error


def _settings(setting: CaptureSetting) -> dict[str, Any]:
    return {field: getattr(setting, field) for field in EDITABLE}
