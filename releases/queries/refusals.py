"""Who was turned away before a package was picked: without a key, over a limit, at an address that does not exist."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import redis

from releases import broker
from releases.models import Count, MLModel
from serving.metrics import store

log = logging.getLogger(__name__)

SHORT = timedelta(hours=1, minutes=1)


@dataclass(frozen=True, order=True)
class Refusal:
    """One kind of refusal of one model's calls; the model is empty where the call named none that exists."""

    model: str
    status: int
    kind: str


Refusals = Counter[Refusal]


def turned_away(environment: str, start: datetime, end: datetime, model: str | None = None) -> Refusals | None:
    """Count who was turned away from start to end, of one model or of all; None while Redis is away.

    The last hour comes from the cells of ten seconds. A longer time comes from the minutes or the hours of the
    database, and from the cells what no row holds yet; while Redis is away it ends with the newest row.
    """
    if start >= datetime.now(UTC) - SHORT:
        return _from_cells(environment, start, end, model)
    seconds = Count.MINUTE if end - start <= timedelta(hours=26) else Count.HOUR
    found, newest = _from_rows(environment, start, end, model, seconds), _newest(seconds)
    since = max(end - SHORT, start if newest is None else newest + timedelta(seconds=seconds))
    return found + (_from_cells(environment, since, end, model) or Refusals())


def _from_cells(environment: str, start: datetime, end: datetime, model: str | None) -> Refusals | None:
    try:
        cells = store.read(broker.client(), environment, start.timestamp(), end.timestamp(), step=10, model=model)
    except redis.RedisError as error:
        log.warning("Redis is away, nobody knows who was turned away: %s", error)
        return None
    found: Refusals = Counter()
    for cell in cells:
        if not cell.package:
            _add(found, cell.model, cell.errors)
    return found


def _from_rows(environment: str, start: datetime, end: datetime, model: str | None, seconds: int) -> Refusals:
    models = [*MLModel.objects.values_list("name", flat=True), ""] if model is None else [model]
    rows = Count.objects.filter(environment=environment, model__in=models, seconds=seconds, at__gte=start, at__lt=end)
    rows = rows.filter(package="")
    found: Refusals = Counter()
    for name, reasons in rows.values_list("model", "errors"):
        _add(found, name, reasons)
    return found


def _newest(seconds: int) -> datetime | None:
    """The start of the newest row of any environment: all before its end is in the database."""
    return Count.objects.filter(seconds=seconds).order_by("-at").values_list("at", flat=True).first()


def _add(into: Refusals, model: str, reasons: dict[str, int]) -> None:
    for reason, number in reasons.items():
        status, _, kind = reason.partition(" ")
        into[Refusal(model, int(status), kind)] += number
