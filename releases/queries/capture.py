"""Where a model's requests are kept, and how much was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Min, Sum

from releases.models import CaptureFile, CaptureSetting, Environment, MLModel


@dataclass(frozen=True)
class Place:
    """The setting of one environment (as if it had been made, where there is none), and what is on disk."""

    environment: Environment
    setting: CaptureSetting
    records: int
    size: int
    first: datetime | None

    @property
    def percent(self) -> str:
        """The share, as it is said on a page."""
        return f"{self.setting.share * 100:g}"


def places(model: MLModel) -> list[Place]:
    """Return every environment, in order."""
    settings = {setting.environment_id: setting for setting in model.capture_settings.all()}
    sums = CaptureFile.objects.filter(model=model.name).order_by().values("environment")
    held = {row["environment"]: row for row in sums.annotate(n=Sum("records"), bytes=Sum("size"), first=Min("hour"))}
    found = []
    for environment in Environment.objects.all():
        setting = settings.get(environment.pk) or CaptureSetting(model=model, environment=environment)
        row: dict[str, Any] = dict(held.get(environment.name, {}))
        found.append(Place(environment, setting, row.get("n", 0), row.get("bytes", 0), row.get("first")))
    return found
