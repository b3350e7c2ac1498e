"""Follow the route tables: subscribe and poll, load and warm first, swap whole, keep the last good one."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import TypeVar

from redis import Redis
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.exceptions import RedisError
from redis.retry import Retry

from serving import exchange
from serving.exchange import EnvironmentState
from serving.gateway.adopting import build, failures, hopeless, kept, whole
from serving.gateway.config import Config
from serving.gateway.disk import Disk, Keeper
from serving.gateway.journal import Journal
from serving.gateway.line import Line
from serving.gateway.pool import Package, Pool
from serving.gateway.quarantine import leave_out
from serving.gateway.renewing import Renewal
from serving.gateway.world import Live, LiveRoute, LiveTable, World
from serving.routing import RouteTable, Target

POLL_SECONDS, RETRY_SECONDS, RENEW_SECONDS = 1.0, 5.0, 0.5
T = TypeVar("T")
log = logging.getLogger("slipway.gateway")


def connect(url: str) -> Redis:
    """Return a client that fails within two seconds and does not retry by itself: its callers look again anyway."""
    return Redis.from_url(url, socket_timeout=2.0, socket_connect_timeout=2.0, retry=Retry(NoBackoff(), 0))


@dataclass
class Status:
    """What the heartbeat says about one environment, and whether a table was published there (None: unknown).

    `failed` says which packages of generation `tried` could not be loaded; they are tried again at `retry` (monotonic).
    `unkept` says why the live table is not on this gateway's disk; it is tried again with every look.
    """

    packages: dict[str, str] = field(default_factory=dict)
    error: str | None = None
    left_out: str | None = None
    failed: str | None = None
    tried: int = 0
    retry: float = 0.0
    published: bool | None = None
    unkept: str | None = None


class Follower:
    """Keeps `live.world` fresh. Runs in one thread of its own; nothing else writes the world."""

    def __init__(
        self, config: Config, live: Live, pool: Pool, disk: Disk, journal: Journal, adopted: Callable[[], None]
    ) -> None:
        self._config, self._live, self._pool, self._disk = config, live, pool, disk
        self._keeper = Keeper(disk)
        self._journal, self._adopted = journal, adopted
        self.line = Line(connect(config.redis_url), self._cut_off)
        self._status: dict[str, Status] = {}
        self._loader, self._renewal = ThreadPoolExecutor(1, thread_name_prefix="loader"), Renewal()

    def states(self) -> dict[str, EnvironmentState]:
        """Return what the heartbeat says, by environment."""
        world, status = self._live.world, dict(self._status)
        return {name: self._state(world, name, status.get(name, Status())) for name in world.served}

    def run(self, stop: threading.Event) -> None:
        """Look, wait for an announcement or a second, look again; until `stop` is set."""
        subscription: PubSub | None = None
        while not stop.is_set():
            self.look()
            try:
                subscription = subscription or self.line.subscribe(exchange.CHANNEL)
                if subscription.get_message(timeout=POLL_SECONDS):
                    while subscription.get_message(timeout=0):
                        pass
            except (RedisError, OSError):
                subscription = None
                stop.wait(POLL_SECONDS)

    def look(self) -> None:
        """Bring every environment up to date once; whatever goes wrong, what is served goes on."""
        try:
            self._see_environments()
            for environment in self._live.world.served:
                self._see(environment)
            self._tidy()
        except Exception:
            # The thread must outlive every surprise: without it no table would ever change again.
            log.exception("The route tables could not be looked at; what is served goes on.")
        self._settle()

    def _settle(self) -> None:
        """Say whether all that is published here is live; what nobody can know holds up only a gateway with nothing."""
        world = self._live.world
        missing = {
            name: self._status.get(name, Status()).published for name in world.served if name not in world.tables
        }
        known = None not in missing.values() and (bool(world.served) or not self.line.away)
        ready = (known or bool(world.tables)) and True not in missing.values()
        waiting = frozenset(name for name, published in missing.items() if published is not False)
        if (ready, waiting) != (world.ready, world.waiting):
            self._live.world = replace(world, ready=ready, waiting=waiting)

    def _cut_off(self, since: float | None) -> None:
        self._live.world = replace(self._live.world, cut_off=since)

    def _see_environments(self) -> None:
        found = self.line.ask(exchange.get_environments)
        world = self._live.world
        order = found or world.order or self._disk.order()
        self._keeper.keep_order(order)
        served = self._config.serves(order)
        if (order, served) == (world.order, world.served):
            return
        for gone in set(world.tables) - set(served):
            self._disk.drop_table(gone)
        self._status = {name: status for name, status in self._status.items() if name in served}
        tables = {name: table for name, table in world.tables.items() if name in served}
        self._live.world = replace(
            world,
            tables=tables,
            order=order,
            served=served,
            # What is new here is unknown until it was looked at.
            waiting=world.waiting | (set(served) - set(world.served)),
        )

    def _see(self, environment: str) -> None:
        status = self._status.setdefault(environment, Status())
        table = self._found(environment, status) or self._kept(environment, status)
        if table is not None:
            self._consider(table, status)
        live = self._live.world.tables.get(environment)
        if status.unkept and live is not None:
            status.unkept = self._keeper.keep_table(kept(live))

    def _found(self, environment: str, status: Status) -> RouteTable | None:
        """The table in Redis; None while Redis is away, and where there is none that can be used."""
        try:
            found = self.line.ask(lambda redis: exchange.get_table(redis, environment))
        except ValueError as error:
            status.error, status.published = str(error), True
            return None
        if not self.line.away:
            status.published = found is not None
        if found is not None and found.environment != environment:
            status.error = f"A table of {found.environment} was found under {environment}; it is refused."
            return None
        return found

    def _kept(self, environment: str, status: Status) -> RouteTable | None:
        """The table on disk while nothing is served yet, the live one while a package of it is missing."""
        live = self._live.world.tables.get(environment)
        if live is not None:
            return live.table if status.failed else None
        table = self._disk.table(environment)
        status.published = status.published if table is None else True
        return table

    def _consider(self, table: RouteTable, status: Status) -> None:
        """Adopt a newer table, and try the live one again while a package of it is missing."""
        live = self._live.world.tables.get(table.environment)
        held = live.table.generation if live else 0
        if table.generation < held:
            status.error = f"Generation {table.generation} is refused: {held} is live, and numbers only grow."
            return
        status.error = None
        if table.generation == held and not status.failed and not self._fallen(live):
            return
        if table.generation != status.tried or time.monotonic() >= status.retry:
            self._adopt(table, status)

    def _fallen(self, live: LiveTable | None) -> bool:
        """Whether a package that is served has been put into quarantine since: its process ended twice."""
        return live is not None and any(target.digest in self._journal.quarantined for target in live.targets())

    def _adopt(self, table: RouteTable, status: Status) -> None:
        """Load what can be loaded, and make it live unless that is what was live before."""
        again = status.failed if status.tried == table.generation else None
        known = status.packages if again else {}
        status.packages = {target.digest: known.get(target.digest, "loading") for target in table.targets()}
        out = self._journal.quarantined.keys() & status.packages.keys()
        live = self._assemble(leave_out(table, out), status)
        status.failed = failures(live, status.packages)
        status.tried, status.retry = table.generation, time.monotonic() + RETRY_SECONDS
        self._note_quarantine(table, out, status)
        if not again or again != status.failed:
            self._go_live(replace(live, table=table), status)

    def _assemble(self, table: RouteTable, status: Status) -> LiveTable:
        world = self._live.world.tables.get(table.environment)
        if world is None:
            live = self._assemble_first(table, status)
        else:
            earlier = {name: route for name, route in world.routes.items() if not route.lost}
            live = build(table, lambda target: self._load(target, status.packages), earlier.get, world.adopted)
        for target in live.targets():
            status.packages.setdefault(target.digest, "ready")
        return live

    def _assemble_first(self, table: RouteTable, status: Status) -> LiveTable:
        """After a start: a route that cannot be served goes on as the disk has it."""
        disk = self._disk.table(table.environment)
        older = disk if disk and disk.generation < table.generation else None
        live = build(
            table,
            lambda target: self._load(target, status.packages),
            lambda model: self._from_disk(older, model),
            older.generation if older else 0,
        )
        lost = any(route.lost for route in live.routes.values())
        return replace(live, adopted=0) if lost else live

    def _from_disk(self, older: RouteTable | None, model: str) -> LiveRoute | None:
        route = leave_out(older, self._journal.quarantined).routes.get(model) if older else None
        if older is None or route is None or route.off:
            return None
        found = {target.digest: self._load(target, {}) for target in route.targets}
        return whole(route, {digest: package for digest, package in found.items() if package}, older.generation)

    def _go_live(self, live: LiveTable, status: Status) -> None:
        live = self._renewal.newest(live)
        name, generation = live.table.environment, live.table.generation
        first = name not in self._live.world.tables
        if status.failed:
            log.error("%s: %s", name, status.failed)
        if first and hopeless(live):
            self._adopted()
            return
        if live.adopted:
            status.unkept = self._keeper.keep_table(kept(live))
        self._live.world = self._live.world.with_table(live)
        log.info("%s: generation %d is live%s.", name, generation, " in part" if status.failed else "")
        self._adopted()
        for package in {id(each): each for route in live.routes.values() for each in route.packages.values()}.values():
            package.decoder.complete()

    def _load(self, target: Target, packages: dict[str, str]) -> Package | None:
        """Return the loaded package, None when it cannot be loaded, and note in `packages` which it is."""
        try:
            package = self._meanwhile(lambda: self._pool.get(target))
        except Exception as error:
            # A model can fail to load in any way at all; each one only costs its own route.
            packages[target.digest] = f"error: {str(error)[:300] or type(error).__name__}"
            return None
        packages[target.digest] = "ready"
        return package

    def _meanwhile(self, work: Callable[[], T]) -> T:
        """Do in another thread what may take minutes: a key that is revoked in the meantime is refused at once."""
        future = self._loader.submit(work)
        while not wait([future], RENEW_SECONDS).done:
            for live in self._live.world.tables.values():
                self._renew(live)
        return future.result()

    def _renew(self, live: LiveTable) -> None:
        try:
            table = self.line.ask(lambda redis: exchange.get_table(redis, live.table.environment))
        except ValueError:
            return
        renewed = table and self._renewal.newer(live, table)
        if renewed:
            self._live.world = self._live.world.with_table(renewed)

    def _note_quarantine(self, table: RouteTable, out: set[str], status: Status) -> None:
        status.left_out = None
        for target in table.targets():
            if target.digest in out:
                status.packages[target.digest] = "error: quarantined, it ended this gateway twice within a minute"
                status.left_out = f"Package {target.package} is left out: it ended this gateway twice within a minute."
                log.error("%s: %s", table.environment, status.left_out)

    def _state(self, world: World, environment: str, status: Status) -> EnvironmentState:
        live = world.tables.get(environment)
        words = status.error or status.failed or status.left_out or status.unkept
        return EnvironmentState(live.adopted if live else 0, dict(status.packages), words)

    def _tidy(self) -> None:
        tables = self._live.world.tables.values()
        if len(tables) == len(self._live.world.served):
            # Those left out included: they are wanted all the same.
            self._journal.lift({target.digest for live in tables for target in live.table.targets()})
        self._pool.keep({target.artefact for live in tables for target in live.targets()})
