"""The rate that a model must stand: its busiest minute in production, times a factor."""

from __future__ import annotations

from django.db.models import Sum

from releases.models import Count, MLModel
from releases.wants import PRODUCTION


def busiest(model: MLModel) -> float | None:
    """Return requests a second in the busiest minute that is still known, None where nobody ever asked."""
    minutes = Count.objects.filter(seconds=Count.MINUTE, environment=PRODUCTION, model=model.name).exclude(package="")
    most = minutes.order_by().values("at").annotate(asked=Sum("starts")).order_by("-asked").first()
    return most["asked"] / 60 if most else None


def rate(model: MLModel, asked: float, factor: float, least: float) -> tuple[float, str]:
    """Return the rate to send at, and where it comes from in words."""
    if asked:
        return asked, f"{asked:g} requests a second, as it is set for the model"
    known = busiest(model)
    if known is None:
        return least, f"{least:g} requests a second: nobody has asked it in production yet"
    found = max(least, known * factor)
    if found == least:
        return least, f"{least:g} requests a second: the busiest minute in production had {known:.3g}"
    return found, f"{found:.3g} requests a second: {factor:g} times the busiest minute in production"
