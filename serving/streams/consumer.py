"""The consumer: takes what waits in the partitions that it holds, has it answered, puts every outcome in its place.

A partition belongs to one consumer at a time, for as long as it says so; one that has died loses its partitions within
seconds, and who takes them over begins with what it had taken and not settled, one record at a time.
"""

from __future__ import annotations

import logging
import math
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from redis import Redis
from redis.exceptions import RedisError

from serving.gateway.world import Live, LiveRoute
from serving.streams import broker
from serving.streams.answering import Outcome, Taken, answer
from serving.streams.mirror import StreamMirror
from serving.streams.names import PARTITIONS, Names

LEASE_SECONDS, RENEW_SECONDS, LOOK_SECONDS = 5.0, 1.0, 0.5
# What is taken together, and how long it is waited for more when there was nothing: micro-batches by size or age.
TOGETHER, PAUSE_SECONDS = 256, 0.03
# A record that was taken so often without an outcome ends whoever looks at it.
MOST_TRIES = 3
log = logging.getLogger("slipway.stream")


@dataclass
class Held:
    """A stream with the partitions that this consumer holds; `fresh` ones may have records that were taken before."""

    names: Names
    partitions: set[int] = field(default_factory=set)
    fresh: set[int] = field(default_factory=set)


class Consumer:
    """One thread works, another one holds the leases. `failed`: it met what it cannot go on from, and its process ends.

    A record that does that to every consumer is set aside after three tries, as one is that ends the process itself.
    """

    def __init__(self, redis: Redis, live: Live, clock: Callable[[], float] = time.time) -> None:
        self._redis, self._live, self._clock = redis, live, clock
        self.name, self.failed = secrets.token_hex(8), False
        self.mirror = StreamMirror(live)
        self._held: dict[str, Held] = {}
        self._lock = threading.Lock()

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, then give back what is held."""
        holding = threading.Thread(target=self._hold, args=(stop,), daemon=True, name="leases")
        holding.start()
        while not stop.is_set():
            try:
                if not self.work():
                    stop.wait(PAUSE_SECONDS)
            except (RedisError, OSError) as error:
                log.warning("Redis is away (%s); what was taken is taken again.", error)
                self._forget()
                stop.wait(LOOK_SECONDS)
            except Exception:
                # Whoever holds partitions and does not work on them holds up everybody who waits there.
                log.exception("This consumer cannot go on; it ends, and another one takes over.")
                self.failed = True
                stop.set()
        holding.join()
        self._give_back()

    def work(self) -> bool:
        """Take and settle what waits now; False when there was nothing that could be answered."""
        with self._lock:
            held = [(each.names, sorted(each.partitions), set(each.fresh)) for each in self._held.values()]
        found = False
        for names, partitions, fresh in held:
            live = self._route(names)
            if live is None or not partitions:
                continue
            for partition in fresh:
                self._take_up(names, partition, live)
            for partition, records in broker.take(self._redis, names, partitions, self.name, TOGETHER).items():
                began = time.perf_counter()
                outcomes = answer(live, records)
                each = (time.perf_counter() - began) / len(records)
                self._settle(names, partition, outcomes)
                self.mirror.offer(names, outcomes, each)
                found = True
        return found

    def _take_up(self, names: Names, partition: int, live: LiveRoute) -> None:
        """Settle what was taken before, by whoever: one by one, so that one that ends the process ends it alone."""
        while records := broker.left(self._redis, names, partition, 1):
            record = records[0]
            if record.tries > MOST_TRIES:
                self._settle(names, partition, [_poison(record)])
            else:
                self._settle(names, partition, answer(live, records))
        with self._lock:
            if (held := self._held.get(names.member)) is not None:
                held.fresh.discard(partition)

    def _settle(self, names: Names, partition: int, outcomes: list[Outcome]) -> None:
        broker.settle(self._redis, names, partition, outcomes, self._clock())

    def _route(self, names: Names) -> LiveRoute | None:
        """Return the route while it can answer; what waits for one that cannot goes on waiting."""
        table = self._live.world.tables.get(names.environment)
        found = table.routes.get(names.model) if table else None
        return None if found is None or found.lost or found.route.off else found

    # --- leases -------------------------------------------------------------------------------------------------------

    def _hold(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                self.look()
            except (RedisError, OSError):
                self._forget()
            stop.wait(RENEW_SECONDS)

    def _forget(self) -> None:
        """After an outage every partition begins with what may have been left."""
        with self._lock:
            self._held.clear()

    def look(self) -> None:
        """Renew what is held, take a fair part of what nobody holds, and give back what is too much."""
        broker.beat(self._redis, self.name, self._clock())
        share = 1 / max(1, len(broker.alive(self._redis, self._clock())))
        for names in broker.known(self._redis):
            if names.environment in self._live.world.served:
                self._hold_part(names, math.ceil(PARTITIONS * share))

    def _hold_part(self, names: Names, most: int) -> None:
        with self._lock:
            held = self._held.get(names.member)
        if held is None:
            broker.open_group(self._redis, names)
            held = Held(names)
        for partition in range(PARTITIONS):
            mine = partition in held.partitions
            if mine and len(held.partitions) > most:
                broker.release(self._redis, names, partition, self.name)
                self._let_go(held, partition)
            elif mine or len(held.partitions) < most:
                self._take(held, partition)
        with self._lock:
            self._held[names.member] = held

    def _take(self, held: Held, partition: int) -> None:
        ours = broker.lease(self._redis, held.names, partition, self.name, LEASE_SECONDS)
        with self._lock:
            if ours and partition not in held.partitions:
                held.partitions.add(partition)
                held.fresh.add(partition)
        if not ours:
            self._let_go(held, partition)

    def _let_go(self, held: Held, partition: int) -> None:
        with self._lock:
            held.partitions.discard(partition)
            held.fresh.discard(partition)

    def _give_back(self) -> None:
        try:
            for held in self._held.values():
                for partition in held.partitions:
                    broker.release(self._redis, held.names, partition, self.name)
        except (RedisError, OSError):
            return  # they end by themselves


def _poison(record: Taken) -> Outcome:
    return Outcome(record, reason=f"whoever looked at this record died, {record.tries - 1} times")
