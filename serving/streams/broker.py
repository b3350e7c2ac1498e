"""Streams as consumers and the control plane see them in Redis; raises redis.RedisError when it is away."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from redis import Redis
from redis.exceptions import ResponseError

from serving.streams import scripts
from serving.streams.answering import Outcome, Taken
from serving.streams.names import (
    CONSUMER,
    CONSUMERS,
    GROUP,
    PACE_SECONDS,
    PARTITIONS,
    REGISTRY,
    Letter,
    Names,
    Result,
    id_of,
    milliseconds,
    partition_of,
)

# How long the id that a producer gave is known, so that the same record sent again is taken once; and how many are.
REMEMBER_SECONDS, REMEMBER_MOST = 24 * 3600, 1_000_000
MOST_RESULTS, MOST_LETTERS = 1_000_000, 100_000
ALIVE_SECONDS = 5.0


@dataclass(frozen=True)
class Depth:
    """What waits in a stream: how many records, and for how long the oldest one has waited, in seconds."""

    records: int
    seconds: float


def known(redis: Redis) -> list[Names]:
    """Return every stream that a record was ever added to."""
    members = cast("set[bytes]", redis.smembers(REGISTRY))
    return [Names(*member.decode().split(" ", 1)) for member in sorted(members)]


def open_group(redis: Redis, names: Names) -> None:
    """Make the group of every partition, from its first record on; safe to repeat."""
    for stream in names.inputs:
        try:
            redis.xgroup_create(stream, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise


def take(redis: Redis, names: Names, partitions: Sequence[int], token: str, count: int) -> dict[int, list[Taken]]:
    """Return new records by partition, `count` of each at most, of those that the token still holds."""
    keys = [names.inputs[each] for each in partitions] + [names.lease(each) for each in partitions]
    found = cast("Any", redis.eval(scripts.TAKE, len(keys), *keys, GROUP, CONSUMER, token, count))
    pairs = zip(partitions, found, strict=True)
    return {place: [_taken(entry, _fields(flat), place) for entry, flat in some] for place, some in pairs if some}


def left(redis: Redis, names: Names, partition: int, count: int) -> list[Taken]:
    """Return records that were taken and have no outcome, oldest first: whoever took them died, or was too slow.

    Each counts as one more try, written down before anybody looks at it, because the next look may be the last.
    """
    stream = names.inputs[partition]
    found = cast("Any", redis.xreadgroup(GROUP, CONSUMER, {stream: "0"}, count=count)) or []
    # An entry that was deleted meanwhile comes without fields.
    gone = [entry for _, entries in found for entry, fields in entries if not fields]
    if gone:
        redis.xack(stream, GROUP, *gone)
    taken = [(entry, fields) for _, entries in found for entry, fields in entries if fields]
    with redis.pipeline(transaction=False) as pipe:
        for entry, _ in taken:
            pipe.hincrby(names.tries, entry, 1)
        tries = pipe.execute()
    return [_taken(entry, fields, partition, 1 + count) for (entry, fields), count in zip(taken, tries, strict=True)]


def settle(redis: Redis, names: Names, partition: int, outcomes: Iterable[Outcome], now: float) -> int:
    """Put each outcome into output or dead letters, and take its record out of the stream, all at once.

    Returns how many that were: others were settled by somebody else, or came twice.
    """
    kept = REMEMBER_MOST, MOST_RESULTS, MOST_LETTERS
    arguments: list[Any] = [GROUP, f"{now:.3f}", f"{now - REMEMBER_SECONDS:.3f}", *kept]
    for outcome in outcomes:
        taken = outcome.taken
        kind, told = ("dead", _letter(outcome, now)) if outcome.target is None else ("out", _result(outcome, now))
        arguments += [taken.entry, taken.id, int(taken.given), kind, msgspec.json.encode(told)]
    keys = [names.inputs[partition], names.output, names.dead, names.ids, names.counts, names.tries, names.pace(now)]
    return int(cast("int", redis.eval(scripts.SETTLE, len(keys), *keys, *arguments)))


def depth(redis: Redis, names: Names, now: float | None = None) -> Depth:
    """Return what waits in all partitions, what is being worked on included."""
    with redis.pipeline(transaction=False) as pipe:
        for stream in names.inputs:
            pipe.xlen(stream)
            pipe.xrange(stream, count=1)
        found = pipe.execute()
    oldest = [milliseconds(entries[0][0]) for entries in found[1::2] if entries]
    at = time.time() if now is None else now
    return Depth(sum(found[::2]), max(0.0, at - min(oldest) / 1000) if oldest else 0.0)


def counts(redis: Redis, names: Names) -> dict[str, int]:
    """Return how many records were answered, set aside (`dead`) and dropped because they came twice (`doubled`)."""
    found = cast("dict[bytes, bytes]", redis.hgetall(names.counts))
    return {name.decode(): int(number) for name, number in found.items()}


def pace(redis: Redis, names: Names, now: float | None = None) -> float:
    """Return the outcomes a second in the last full ten seconds."""
    at = time.time() if now is None else now
    found = cast("bytes | None", redis.get(names.pace(at - PACE_SECONDS)))
    return int(found or 0) / PACE_SECONDS


def letters(redis: Redis, names: Names, count: int = 100) -> list[tuple[str, Letter]]:
    """Return the newest dead letters with their entries."""
    found = cast("list[tuple[bytes, dict[bytes, bytes]]]", redis.xrevrange(names.dead, count=count))
    return [(entry.decode(), msgspec.json.decode(fields[b"letter"], type=Letter)) for entry, fields in found]


def replay(redis: Redis, names: Names, entry: str) -> bool:
    """Send a dead letter in again, under its id; False when it is gone."""
    found = cast("list[tuple[bytes, dict[bytes, bytes]]]", redis.xrange(names.dead, entry, entry))
    if not found:
        return False
    letter = msgspec.json.decode(found[0][1][b"letter"], type=Letter)
    key = letter.key or ""
    target = names.inputs[partition_of(key or letter.id)]
    return bool(redis.eval(scripts.REPLAY, 3, names.dead, names.ids, target, entry, letter.id, key, letter.row))


def alive(redis: Redis, now: float | None = None) -> list[str]:
    """Return the consumers that gave a sign of life lately."""
    at = time.time() if now is None else now
    return [name.decode() for name in cast("list[bytes]", redis.zrangebyscore(CONSUMERS, at - ALIVE_SECONDS, "+inf"))]


def beat(redis: Redis, consumer: str, now: float) -> None:
    redis.zadd(CONSUMERS, {consumer: now})
    redis.zremrangebyscore(CONSUMERS, "-inf", now - 3600)


def lease(redis: Redis, names: Names, partition: int, token: str, seconds: float) -> bool:
    """Take or hold a partition; False when somebody else has it."""
    milliseconds_ = int(1000 * seconds)
    if redis.set(names.lease(partition), token, nx=True, px=milliseconds_):
        return True
    return bool(redis.eval(scripts.RENEW, 1, names.lease(partition), token, milliseconds_))


def release(redis: Redis, names: Names, partition: int, token: str) -> None:
    redis.eval(scripts.RELEASE, 1, names.lease(partition), token)


def leased(redis: Redis, names: Names) -> int:
    """Return how many partitions somebody works on."""
    return int(redis.exists(*(names.lease(partition) for partition in range(PARTITIONS))))


def _fields(flat: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _taken(entry: bytes, fields: dict[bytes, bytes], partition: int, tries: int = 1) -> Taken:
    given, key = fields.get(b"id", b""), fields.get(b"key")
    id = given.decode(errors="replace") if given else id_of(entry, partition)
    at = milliseconds(entry) / 1000
    return Taken(
        entry, fields.get(b"row", b""), id, bool(given), key.decode(errors="replace") if key else None, at, tries
    )


def _result(outcome: Outcome, now: float) -> Result:
    target = outcome.target
    assert target is not None  # noqa: S101 - the caller has looked
    return Result(outcome.taken.id, outcome.taken.at, now, outcome.prediction, target.package, target.digest)


def _letter(outcome: Outcome, now: float) -> Letter:
    taken = outcome.taken
    row = taken.row.decode(errors="replace")
    return Letter(
        id=taken.id,
        at=taken.at,
        done=now,
        reason=outcome.reason[:500],
        row=row,
        tries=taken.tries,
        key=taken.key,
        details=list(outcome.details),
    )
