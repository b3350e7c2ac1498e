"""Slipway's side: the broker and the gateway as `make up` starts them, and a table with models and a key."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis import Redis

from benchmarks.race.servers import Ask, Row, Server, free_port
from serving import exchange
from serving.routing import Key, Route, RouteTable, Target

ENVIRONMENT, SECRET = "production", "slipway-race-key"
ORDER = ("dev", "test", "staging", ENVIRONMENT)
MANY = 1_000_000
LIMITS = {"requests_per_second": MANY}
HEADERS = {"Authorization": f"Bearer {SECRET}"}
ROOT = Path(__file__).parents[2]


@dataclass
class Installation:
    """A broker, and gateways beside it; everything in a folder of its own that goes away with it."""

    folder: Path
    settings: Any
    broker: Server
    generation: int = 0
    servers: list[Server] = field(default_factory=list)

    @property
    def redis(self) -> Redis:
        return Redis.from_url(self.settings.REDIS_URL)

    def publish(self, *routes: Route) -> RouteTable:
        """Publish the routes as the next table of production, for callers with the key."""
        self.generation += 1
        found = {route.model: route for route in routes}
        table = RouteTable(ENVIRONMENT, self.generation, found, keys=(key(),), limits=LIMITS)
        with self.redis as redis:
            exchange.put_table(redis, table)
        return table

    def gateway(self, name: str, ask: Ask, **more: str) -> Server:
        """Return a gateway that is not started yet, with the command and the environment that `make up` gives it."""
        from dashboard.addresses import Gateway
        from dashboard.supervisor import children

        port = free_port()
        spec = children._gateway(Gateway(name, "127.0.0.1", port, (ENVIRONMENT,)), killed=False)
        environment = {**spec.environment, **more}
        log = self.folder / "log" / f"{name}.log"
        server = Server(name, spec.command, environment, port, ask, log, folder=ROOT)
        self.servers.append(server)
        return server

    def close(self) -> None:
        for server in self.servers:
            if hasattr(server, "process"):
                server.stop()
        self.broker.stop()
        shutil.rmtree(self.settings.SOCKET.parent, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def install() -> Installation:
    """Start the embedded Valkey in a new folder, with the settings of `make up`."""
    folder = Path(tempfile.mkdtemp(prefix="slipway-race-"))
    settings = _settings(folder)
    from dashboard.supervisor import children, prepare

    prepare.folders(folder)
    spec = children.broker()[0]
    broker = Server("valkey", spec.command, spec.environment, 0, Ask("", None), folder / "log" / "valkey.log")
    broker.start()
    _until(spec.ready)
    made = Installation(folder, settings, broker)
    with made.redis as redis:
        exchange.put_environments(redis, ORDER)
    return made


def _settings(folder: Path) -> Any:
    """Return Django's settings with `folder` for its data, whatever the caller's shell says."""
    os.environ |= {"VAR": str(folder), "DJANGO_SETTINGS_MODULE": "dashboard.settings"}
    for name in ("DATABASE_URL", "REDIS_URL", "GATEWAYS"):
        os.environ.pop(name, None)
    sys.argv = [sys.argv[0]]
    import django

    django.setup()
    from django.conf import settings

    return settings


def route(name: str, target: Target) -> Route:
    return Route(name, (target,))


def ask(name: str) -> Ask:
    """Return how a model is asked by V1, as a client with a key asks it."""
    return Ask(
        path=f"/{ENVIRONMENT}/v1/models/{name}:predict",
        body=instances,
        label=lambda answer: answer["predictions"][0]["label"],
        probabilities=lambda answer: list(answer["predictions"][0]["probabilities"].values()),
        headers=HEADERS,
    )


def instances(row: Row) -> dict[str, Any]:
    return {"instances": [row]}


def key() -> Key:
    """A key with every limit, so high that none is reached."""
    return Key(
        hash=hashlib.sha256(SECRET.encode()).hexdigest(),
        prefix=SECRET[:8],
        models=("*",),
        pin=False,
        expires=time.time() + 86_400,
        row=1,
        requests_per_second=MANY,
        concurrent_requests=MANY,
    )


def _until(ready: Callable[[], bool] | None) -> None:
    end = time.monotonic() + 20
    while ready is not None and not ready():
        if time.monotonic() > end:
            raise RuntimeError("The embedded Valkey does not answer.")
        time.sleep(0.02)
