"""Everything the control plane and the gateways say to each other through Redis: keys, tables, heartbeats."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
from redis import Redis

from serving import routing
from serving.routing import RouteTable

CHANNEL = "slipway:routes"
ENVIRONMENTS = "slipway:environments"
GATEWAYS = "slipway:gateways"
USED = "slipway:used"
HEARTBEAT_SECONDS = 5
# A gateway writes its uses once a second; one that has died must not hold a share for long.
USES_MILLISECONDS = 1250

# Only a higher number replaces a table, and only a replacement is announced.
PUT_TABLE = """
local held = redis.call('GET', KEYS[1])
if held and cjson.decode(held)['generation'] >= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
"""


@dataclass(frozen=True)
class EnvironmentState:
    """What one gateway has adopted: a generation (0: none yet), each package's state by digest, and what went wrong."""

    generation: int
    packages: dict[str, str] = field(default_factory=dict)
    error: str | None = None


@dataclass(frozen=True)
class Heartbeat:
    """One gateway process, alive at `at` (epoch). All its cells before second `watermark` have been written.

    `throttled` counts requests over a limit since its start, by environment; `cut_off` is when it was last without
    Redis, from and to (epoch): for so long it knew of no revoked key. `priority` is the operating system's, 0 normal
    and up to 19 for what yields to others; `cores` is how many it may use, 0 where nobody knows. `captured` says how
    many requests capture kept, dropped for want of room, and left out over the cap of the hour.
    """

    name: str
    boot: str
    pid: int
    at: float
    environments: dict[str, EnvironmentState]
    watermark: int
    versions: dict[str, str]
    address: str
    throttled: dict[str, int] = field(default_factory=dict)
    cut_off: tuple[float, float] | None = None
    priority: int = 0
    cores: int = 0
    captured: dict[str, int] = field(default_factory=dict)


# What is asked of each limit: by environment served, then by the limit's name.
Uses = dict[str, dict[str, float]]


def routes_key(environment: str) -> str:
    return f"slipway:routes:{environment}"


def heartbeat_key(name: str, boot: str) -> str:
    return f"slipway:gateway:{name}:{boot}"


def announcement(table: RouteTable) -> str:
    return f"{table.environment} {table.generation}"


def put_table(redis: Redis, table: RouteTable) -> bool:
    """Write and announce the table if its generation is higher than what Redis holds; say whether it was written."""
    routing.check(table)
    arguments = (str(table.generation), routing.dumps(table), CHANNEL, announcement(table))
    return bool(redis.eval(PUT_TABLE, 1, routes_key(table.environment), *arguments))


def get_table(redis: Redis, environment: str) -> RouteTable | None:
    """Return the environment's table, or None where there is none; raises ValueError when it cannot be used."""
    data = cast("bytes | None", redis.get(routes_key(environment)))
    return None if data is None else routing.loads(data)


def drop_table(redis: Redis, environment: str) -> None:
    """Forget the table of an environment that was deleted; gateways let go of it with the next order."""
    redis.delete(routes_key(environment))


def put_environments(redis: Redis, order: Iterable[str]) -> None:
    """Write the names of all environments, first to last (the last one is served without a prefix), and announce it."""
    redis.set(ENVIRONMENTS, msgspec.json.encode({"order": list(order)}))
    redis.publish(CHANNEL, "* 0")


def parse_environments(data: bytes | None) -> tuple[str, ...]:
    """Return the order that `put_environments` wrote, empty where there is none or it cannot be read."""
    try:
        return tuple(msgspec.json.decode(data or b'{"order":[]}', type=dict[str, list[str]])["order"])
    except (msgspec.MsgspecError, KeyError):
        return ()


def get_environments(redis: Redis) -> tuple[str, ...]:
    """Return the names of all environments in order, empty where none were written."""
    return parse_environments(cast("bytes | None", redis.get(ENVIRONMENTS)))


def put_heartbeat(redis: Redis, beat: Heartbeat) -> None:
    """Write a gateway's heartbeat; it expires by itself after five seconds."""
    key = heartbeat_key(beat.name, beat.boot)
    with redis.pipeline(transaction=False) as pipe:
        pipe.set(key, msgspec.json.encode(beat), ex=HEARTBEAT_SECONDS)
        pipe.zadd(GATEWAYS, {key: beat.at})
        pipe.zremrangebyscore(GATEWAYS, "-inf", beat.at - 3600)
        pipe.execute()


def drop_heartbeat(redis: Redis, name: str, boot: str) -> None:
    """Take a gateway that stops in good order out of the list at once."""
    redis.delete(heartbeat_key(name, boot))
    redis.zrem(GATEWAYS, heartbeat_key(name, boot))


def put_uses(redis: Redis, boot: str, uses: Uses) -> None:
    """Write what is asked of each limit at one gateway, with every environment that it serves."""
    redis.set(f"slipway:uses:{boot}", msgspec.json.encode(uses), px=USES_MILLISECONDS)


def get_uses(redis: Redis) -> dict[str, Uses]:
    """Return what all gateways that are alive wrote, by their boot."""
    boots = [key.rpartition(b":")[2] for key in cast("list[bytes]", redis.zrange(GATEWAYS, 0, -1))]
    values = cast("list[Any]", redis.mget([b"slipway:uses:" + boot for boot in boots])) if boots else []
    found = zip(boots, values, strict=True)
    return {boot.decode(): msgspec.json.decode(value, type=Uses) for boot, value in found if value}


def put_used(redis: Redis, used: dict[str, float]) -> None:
    """Note when keys were last used (epoch), by their hash."""
    redis.hset(USED, mapping={name: int(at) for name, at in used.items()})


def get_used(redis: Redis) -> dict[str, int]:
    """Return when each key was last used (epoch seconds), by its hash."""
    found = cast("dict[bytes, bytes]", redis.hgetall(USED))
    return {name.decode(): int(at) for name, at in found.items()}


def forget_used(redis: Redis, names: Iterable[str]) -> None:
    """Drop the notes on keys that are gone."""
    if gone := list(names):
        redis.hdel(USED, *gone)


def clock(redis: Redis) -> float:
    """Return the time of day (epoch) by the clock that all gateways and the control plane share."""
    seconds, micros = redis.time()
    return seconds + micros / 1e6


def heartbeats(redis: Redis) -> list[Heartbeat]:
    """Return the heartbeats of all gateways that are alive, oldest first."""
    keys = cast("list[bytes]", redis.zrange(GATEWAYS, 0, -1))
    values = cast("list[Any]", redis.mget(keys)) if keys else []
    return [msgspec.json.decode(value, type=Heartbeat) for value in values if value]
