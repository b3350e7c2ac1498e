"""`GET /metrics`: what this gateway counts, for Prometheus; looked at on the event loop, written beside it."""

from __future__ import annotations

import asyncio
import hmac
import os
import resource
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from serving.gateway.config import Config
from serving.gateway.messages import Problem, Reply, Request
from serving.gateway.world import Live, World
from serving.metrics import families, prometheus
from serving.metrics.families import Numbers
from serving.metrics.prometheus import Family, Labels, joined, labels
from serving.metrics.recorder import Recorder

ASK = ("www-authenticate", 'Bearer realm="slipway metrics"')
HEADER = ("content-type", prometheus.CONTENT_TYPE)
STARTED = time.time()
PAGE = os.sysconf("SC_PAGE_SIZE")
# What else counts in this process: a name, words for people, and a look at it.
Counters = Mapping[str, tuple[str, Callable[[], float]]]
Queues = list[tuple[Labels, int]]


class Scrape:
    """Answers Prometheus, if it may ask."""

    def __init__(self, config: Config, recorder: Recorder, live: Live, counters: Counters) -> None:
        self._config, self._recorder, self._live, self._counters = config, recorder, live, counters

    async def __call__(self, request: Request) -> Reply:
        """Return the page; raises Problem 401 for who may not read it, 404 where it is switched off."""
        self._check(request.headers.get("authorization"))
        world = self._live.world
        loaded = {
            (name, target.digest)
            for table in world.tables.values()
            for name, route in table.routes.items()
            for target in route.route.targets
        }
        totals, numbers = self._recorder.totals(loaded), dict(self._recorder.numbers)
        queues, counted = _queues(world), [_counted(name, *each) for name, each in self._counters.items()]

        def write() -> bytes:
            state = [*_state(world, self._config.name), _waiting(queues), *counted, *_process()]
            return prometheus.text([*families.of(totals, numbers), *state])

        return Reply(200, await asyncio.get_running_loop().run_in_executor(None, write), [HEADER])

    def _check(self, authorization: str | None) -> None:
        who, token = self._config.metrics, self._config.metrics_token
        if who == "open":
            return
        if who == "off" or not token:
            raise Problem(404, "There is nothing at this address.")
        scheme, _, given = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
            raise Problem(401, "The metrics need their own token: Authorization: Bearer TOKEN.", [ASK])


def _counted(name: str, about: str, look: Callable[[], float]) -> Family:
    return Family(name, "counter", about, [("", "", look())])


def _queues(world: World) -> Queues:
    """Return how many requests wait for each package; one that serves several environments has one queue."""
    seen, found = set[int](), []
    for table in world.tables.values():
        for name, route in table.routes.items():
            for target in route.route.targets:
                held = route.packages[target.digest]
                if id(held) not in seen:
                    seen.add(id(held))
                    found.append((_which(name, target.digest, target.package), held.waiting))
    return found


def _waiting(queues: Queues) -> Family:
    family = Family("slipway_queue_length", "gauge", "Requests that wait for a package.")
    for which, count in queues:
        family.add(which, count)
    return family


def _which(model: str, digest: str, number: int) -> Labels:
    numbers: Numbers = {(model, digest): number}
    return joined(labels(model=model), families.package(model, digest, numbers))


def _state(world: World, name: str) -> list[Family]:
    loaded = Family("slipway_package_weight", "gauge", "The share of requests, in percent, of each loaded package.")
    generation = Family("slipway_table_generation", "gauge", "The number of the route table that is served whole.")
    for environment, table in sorted(world.tables.items()):
        where = labels(environment=environment)
        generation.add(where, table.adopted)
        for model, route in sorted(table.routes.items()):
            for target in route.route.targets:
                which = _which(model, target.digest, target.package)
                loaded.add(joined(where, which, labels(arm=target.arm)), target.weight)
    ready = Family("slipway_ready", "gauge", "1: what was released to its environments is served.")
    ready.add(labels(gateway=name), float(world.ready))
    away = Family("slipway_redis_away_seconds", "gauge", "For how long Redis has been away; 0 while it is there.")
    away.add("", 0 if world.cut_off is None else max(0.0, time.time() - world.cut_off))
    return [loaded, generation, ready, away]


def _process() -> list[Family]:
    """Return what Prometheus's own clients say of their process, under the same names."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    found: dict[str, tuple[str, float]] = {"process_start_time_seconds": ("Start time (epoch).", STARTED)}
    try:
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * PAGE
        found["process_resident_memory_bytes"] = ("Resident memory.", resident)
        found["process_open_fds"] = ("Open files.", len(os.listdir("/proc/self/fd")))
    except OSError:
        pass  # another system than Linux
    gauges = [Family(name, "gauge", about, [("", "", value)]) for name, (about, value) in found.items()]
    return [_counted("process_cpu_seconds_total", "CPU time.", lambda: used.ru_utime + used.ru_stime), *gauges]
