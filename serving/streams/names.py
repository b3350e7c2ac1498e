"""The keys of streams in Redis, and the types of what lies in them: the contract with producers and readers."""

from __future__ import annotations

import zlib
from typing import Any

import msgspec

GROUP = CONSUMER = "slipway"
# Records of one key share a partition, and one consumer at a time works on it: so their order is kept.
PARTITIONS = 8
# Members are `environment model`; consumers look here for what there is to do.
REGISTRY = "slipway:streams"
CONSUMERS = "slipway:stream-consumers"
LONGEST_ID = 200
PACE_SECONDS = 10


class Names:
    """The keys of one model's stream in one environment."""

    def __init__(self, environment: str, model: str) -> None:
        self.environment, self.model = environment, model
        self.base = f"slipway:stream:{environment}:{model}"
        self.member = f"{environment} {model}"
        self.inputs = [f"{self.base}:in:{number}" for number in range(PARTITIONS)]
        self.output, self.dead = f"{self.base}:out", f"{self.base}:dead"
        self.ids, self.counts, self.tries = f"{self.base}:ids", f"{self.base}:counts", f"{self.base}:tries"

    def pace(self, at: float) -> str:
        """Where outcomes are counted in the ten seconds that hold `at`."""
        return f"{self.base}:pace:{int(at // PACE_SECONDS)}"

    def lease(self, partition: int) -> str:
        return f"{self.base}:lease:{partition}"


def partition_of(key: str) -> int:
    """Return the partition of a key: CRC-32 of its UTF-8, modulo 8."""
    return zlib.crc32(key.encode()) % PARTITIONS


class Record(msgspec.Struct, forbid_unknown_fields=True):
    """A record as a producer sends it by REST. `key` keeps order and picks the package; `id` is taken once."""

    row: msgspec.Raw
    id: str | None = None
    key: str | None = None


class Result(msgspec.Struct, omit_defaults=True):
    """What became of a record. `at` and `done` are when it came and when it was answered (epoch seconds)."""

    id: str
    at: float
    done: float
    prediction: Any = None
    package: int = 0
    digest: str = ""


class Letter(msgspec.Struct, omit_defaults=True):
    """A record that was set aside, why, and after how many tries; `details` are the rules of the contract it breaks."""

    id: str
    at: float
    done: float
    reason: str
    row: str
    tries: int = 1
    key: str | None = None
    details: list[dict[str, Any]] = []


def id_of(entry: bytes, partition: int) -> str:
    """Return the id of a record that came without one."""
    return f"{entry.decode()}.{partition}"


def milliseconds(entry: bytes | str) -> int:
    """Return when an entry was added, by its id."""
    return int((entry.decode() if isinstance(entry, bytes) else entry).partition("-")[0])
