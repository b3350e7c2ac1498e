"""Streams by REST: records are added, and said to be taken once they are on disk; results are read from a cursor on.

Redis is asked in threads: the event loop never waits for it, and predictions know nothing of it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl

import msgspec
from redis.exceptions import RedisError

from serving.contract import explaining
from serving.contract.errors import ContractError
from serving.gateway.addresses import Place
from serving.gateway.messages import JSON, Problem, Reply, Request, value
from serving.gateway.world import LiveTable
from serving.streams import scripts
from serving.streams.names import LONGEST_ID, PARTITIONS, REGISTRY, Names, Record, id_of, partition_of
from serving.sync import connect

THREADS = 16
MOST_RECORDS = 10_000
# How long an answer waits until Redis has the records on disk.
DISK_MILLISECONDS = 1500
MOST_RESULTS, MOST_WAIT, LOOK_SECONDS = 1000, 30.0, 0.1
CURSOR = re.compile(r"[0-9]{1,20}(-[0-9]{1,20})?\Z")
FULL, AWAY = ("retry-after", "2"), ("retry-after", "5")
T = TypeVar("T")
log = logging.getLogger("slipway.gateway")


class Records(msgspec.Struct, forbid_unknown_fields=True):
    """A call with many records."""

    records: list[Record]


_one, _many = msgspec.json.Decoder(Record), msgspec.json.Decoder(Records)
_shape = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Streams:
    """Answers for one gateway. `most` records may wait in a stream."""

    def __init__(self, redis_url: str, most: int) -> None:
        self._redis, self._most = connect(redis_url), most
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="streams")

    async def __call__(self, request: Request, place: Place, live: LiveTable) -> Reply:
        """Add the records of a POST, or return results for a GET; raises Problem."""
        names = Names(live.table.environment, place.model)
        return await (self._add(names, request) if place.verb == "add" else self._results(names, request))

    async def _add(self, names: Names, request: Request) -> Reply:
        records = _read(request.body)
        arguments: list[Any] = [names.member, self._most]
        places = [partition_of(record.key or record.id or str(time.monotonic_ns())) for record in records]
        for record, where in zip(records, places, strict=True):
            arguments += [where, record.id or "", record.key or "", bytes(record.row)]
        made, disk = await self._ask(lambda: self._write(names, arguments))
        if made and isinstance(made[0], int):
            words = f"{-1 - made[0]:,} records wait in this stream already, and {self._most:,} may; try again."
            raise Problem(429, words, [FULL], "full")
        if disk == 0:
            words = "The records are not on disk yet. Send them again with the same ids: each is taken once."
            raise Problem(503, words, [AWAY])
        found = zip(records, made, places, strict=True)
        ids = [record.id or id_of(entry, where) for record, entry, where in found]
        return Reply(202, msgspec.json.encode({"ids": ids, "durable": bool(disk)}), [JSON])

    def _write(self, names: Names, arguments: list[Any]) -> tuple[list[Any], int | None]:
        """Return the entries, and how many disks have them: None where this Redis promises nothing."""
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.eval(scripts.ADD, 1 + PARTITIONS, REGISTRY, *names.inputs, *arguments)
            pipe.execute_command("WAITAOF", 1, 0, DISK_MILLISECONDS)  # type: ignore[no-untyped-call]
            made, disk = pipe.execute(raise_on_error=False)
        if isinstance(made, Exception):
            raise made
        return made, None if isinstance(disk, Exception) else int(disk[0])

    async def _results(self, names: Names, request: Request) -> Reply:
        after, limit, wait = _asked(request.query)
        until = time.monotonic() + wait
        while True:
            found = await self._ask(lambda: self._redis.xrange(names.output, f"({after}", count=limit))
            entries = cast("list[tuple[bytes, dict[bytes, bytes]]]", found)
            if entries or time.monotonic() >= until:
                break
            await asyncio.sleep(LOOK_SECONDS)
        results = [msgspec.Raw(fields[b"result"]) for _, fields in entries]
        return value({"results": results, "next": entries[-1][0].decode() if entries else after})

    async def _ask(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except (RedisError, OSError) as error:
            log.warning("A stream could not be reached: %s", error)
            words = "The streams cannot be reached at the moment. Send again; a record with an id is taken once."
            raise Problem(503, words, [AWAY], "unavailable") from error


def _read(body: bytes) -> list[Record]:
    """Return the records of a call; raises Problem 400 that says what is wrong, and where."""
    try:
        explaining.refuse_unreadable(body)
        explaining.refuse_doubled(body)
        records = _many.decode(body).records if b'"records"' in body else [_one.decode(body)]
    except ContractError as error:
        raise Problem(400, str(error)) from error
    except (msgspec.MsgspecError, RecursionError) as error:
        words = 'send {"row": {…}, "id": …, "key": …}, or {"records": [ … ]}'
        raise Problem(400, f"This is no record: {error}; {words}.") from error
    if not 1 <= len(records) <= MOST_RECORDS:
        raise Problem(400, f"A call holds 1 to {MOST_RECORDS:,} records.")
    for number, record in enumerate(records):
        _check(number, record)
    return records


def _check(number: int, record: Record) -> None:
    for name in ("id", "key"):
        text = getattr(record, name)
        if text is not None and not 1 <= len(text) <= LONGEST_ID:
            raise Problem(400, f"records[{number}].{name}: must have 1 to {LONGEST_ID} characters.")
    try:
        _shape.decode(record.row)
    except msgspec.MsgspecError:
        raise Problem(400, f"records[{number}].row: must be an object with the model's inputs.") from None


def _asked(query: str) -> tuple[str, int, float]:
    """Return cursor, limit and wait in seconds; raises Problem 400."""
    given = dict(parse_qsl(query, keep_blank_values=True))
    if unknown := sorted(given.keys() - {"after", "limit", "wait"}):
        raise Problem(400, f"There is no parameter {unknown[0][:60]!r}; there are after, limit and wait.")
    after = given.get("after", "0-0")
    if not CURSOR.match(after):
        raise Problem(400, "after: must be the `next` of an earlier answer.")
    return after, int(_number(given, "limit", 100, 1, MOST_RESULTS)), _number(given, "wait", 0, 0, MOST_WAIT)


def _number(given: dict[str, str], name: str, usual: float, least: float, most: float) -> float:
    text = given.get(name, str(usual))
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text) or not least <= float(text) <= most:
        raise Problem(400, f"{name}: must be a number from {least:g} to {most:g}.")
    return float(text)
