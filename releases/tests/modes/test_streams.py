"""Streams as people look at them: lag against what is accepted, dead letters, and sending them in again."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from django.contrib.auth.models import User
from redis import Redis

from releases.errors import Conflict, Forbidden, Refused
from releases.models import AuditRow, Environment, MLModel
from releases.modes.stream import letters, reading
from serving.streams import broker
from serving.streams.answering import Outcome
from serving.streams.names import REGISTRY, Names, partition_of

pytestmark = pytest.mark.django_db
NAMES = Names("dev", "flight-eta")
TAKEN = partition_of("a")


@pytest.fixture
def dev(environments: dict[str, Environment]) -> Environment:
    return environments["dev"]


def add(redis: Redis, id: str, ago: float = 0.0) -> None:
    entry = f"{int(1000 * (time.time() - ago))}-*" if ago else "*"
    redis.xadd(NAMES.inputs[TAKEN], {"row": json.dumps({"distance": 1}), "id": id}, id=entry)
    redis.sadd(REGISTRY, NAMES.member)


def set_aside(redis: Redis, *ids: str) -> None:
    for id in ids:
        add(redis, id)
    broker.open_group(redis, NAMES)
    broker.lease(redis, NAMES, TAKEN, "me", 5)
    (taken,) = broker.take(redis, NAMES, [TAKEN], "me", 10).values()
    broker.settle(redis, NAMES, TAKEN, [Outcome(each, reason="it broke a rule") for each in taken], time.time())


def test_the_oldest_record_decides_how_late_a_stream_is(redis: Redis, model: MLModel, dev: Environment) -> None:
    add(redis, "a", ago=90)
    (found,) = reading.every().streams
    assert found.waiting == 1
    assert 89 < found.lag < 100
    assert found.is_late, "a minute is accepted unless it is set"
    model.stream_seconds = 3600
    model.save()
    assert not reading.every("dev", "flight-eta").streams[0].is_late
    assert reading.every("staging").streams == []


def test_letters_are_shown_without_their_rows_and_sent_in_again(
    redis: Redis, model: MLModel, dev: Environment, manager: User
) -> None:
    set_aside(redis, "a", "b")
    found = reading.letters(dev, model)
    assert {letter.id for letter in found} == {"a", "b"}
    assert not hasattr(found[0], "row")
    assert letters.replay(actor=manager, environment=dev, model=model, entry=found[0].entry) == 1
    with pytest.raises(Conflict, match="gone"):
        letters.replay(actor=manager, environment=dev, model=model, entry=found[0].entry)
    assert letters.replay(actor=manager, environment=dev, model=model) == 1
    assert broker.depth(redis, NAMES).records == 2
    assert AuditRow.objects.filter(action="stream.replay").count() == 2


def test_who_may_not_direct_traffic_sends_nothing_in_again(
    redis: Redis, model: MLModel, dev: Environment, person: Any
) -> None:
    with pytest.raises(Forbidden):
        letters.replay(actor=person("developer"), environment=dev, model=model)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), 1e9])
def test_a_limit_that_makes_no_sense_is_refused(model: MLModel, manager: User, seconds: float) -> None:
    with pytest.raises(Refused):
        letters.accept(actor=manager, model=model, seconds=seconds)
