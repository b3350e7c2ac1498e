"""Send records that were set aside in again, and say how late a stream may be."""

from __future__ import annotations

import math
import re

import redis
from django.contrib.auth.models import User
from django.db import transaction

from releases import broker as redis_of
from releases.actions import audit
from releases.errors import Conflict, Refused
from releases.models import Environment, MLModel
from releases.rights import TRAFFIC, require
from serving.streams import broker
from serving.streams.names import Names

ENTRY = re.compile(r"[0-9]{1,20}-[0-9]{1,20}\Z")
MOST_SECONDS = 7 * 86_400.0


def replay(*, actor: User | None, environment: Environment, model: MLModel, entry: str = "") -> int:
    """Send one dead letter in again, or all of them (100 at most), under their ids; return how many.

    Raises Forbidden, Refused (what is no entry), Conflict (it is gone, or Redis is away).
    """
    require(actor, TRAFFIC, environment)
    if entry and not ENTRY.match(entry):
        raise Refused("That is no entry of the dead letters.", "entry")
    names, client = Names(environment.name, model.name), redis_of.client()
    try:
        entries = [entry] if entry else [each for each, _ in broker.letters(client, names)]
        sent = sum(broker.replay(client, names, each) for each in entries)
    except redis.RedisError as error:
        raise Conflict("Redis is away; the letters stay where they are. Try again.") from error
    if not sent:
        raise Conflict("That letter is gone: somebody else has sent it in again." if entry else "There is no letter.")
    _record("stream.replay", actor, environment.name, model, {"records": sent})
    return sent


def accept(*, actor: User | None, model: MLModel, seconds: float) -> None:
    """Say within how many seconds a record must be answered. Raises Forbidden, Refused."""
    require(actor, TRAFFIC)
    if not (math.isfinite(seconds) and 0 < seconds <= MOST_SECONDS):
        raise Refused(f"It lies above 0 and is at most {MOST_SECONDS:,.0f} seconds, a week.", "stream_seconds")
    with transaction.atomic():
        before, model.stream_seconds = model.stream_seconds, seconds
        model.save(update_fields=["stream_seconds"])
        _record("stream.accept", actor, "", model, {"seconds": seconds, "before": before})


def _record(action: str, actor: User | None, environment: str, model: MLModel, details: dict[str, float]) -> None:
    where = f"stream of {model.name} in {environment}" if environment else f"streams of {model.name}"
    audit.record(action, where, actor=actor, model=model.name, environment=environment, details=details)
