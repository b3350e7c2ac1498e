"""The HTTP server that carries the gateway: uvicorn, whose connections ask it straight; and what any server needs."""

from __future__ import annotations

import asyncio
import errno
import resource
import signal
import socket
from typing import Protocol

import uvicorn

from serving.gateway.config import Config, ConfigError
from serving.gateway.straight import StraightDoor

GRACE_SECONDS, BACKLOG = 2, 2048
# A connection that idles holds a place in Granian; what limits them is the process's number of open files.
MOST_CONNECTIONS = 65_536
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Server(Protocol):
    """A server that answers until it is told to stop."""

    async def serve(self) -> None: ...

    def stop(self) -> None: ...


class UvicornServer:
    """uvicorn inside this process's own event loop, whose connections ask the gateway straight."""

    def __init__(self, config: Config, door: StraightDoor) -> None:
        self._listener = listen(config)
        self._server = uvicorn.Server(
            uvicorn.Config(
                _no_application,
                loop="none",
                http=door.connect,  # type: ignore[arg-type]
                lifespan="off",
                ws="none",
                access_log=False,
                log_config=None,
                server_header=False,
                date_header=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
                ssl_certfile=config.certificate.chain if config.certificate else None,
                ssl_keyfile=config.certificate.key if config.certificate else None,
            )
        )

    async def serve(self) -> None:
        await self._server.serve(sockets=[self._listener])

    def stop(self) -> None:
        self._server.should_exit = True


async def _no_application(scope: object, receive: object, send: object) -> None:
    """uvicorn wants one; no request comes to it."""


def check_address(config: Config) -> None:
    """Raise ConfigError when the address cannot be had."""
    listen(config).close()


def listen(config: Config) -> socket.socket:
    """Return the listening socket; raises ConfigError when the address cannot be had."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((config.host, config.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        why = "the port is taken" if error.errno == errno.EADDRINUSE else error.strerror
        raise ConfigError(f"GATEWAY_BIND={config.host}:{config.port} cannot be used: {why}.") from error
    listener.setblocking(False)
    return listener


def allow_many_connections() -> None:
    """Raise the soft limit of open files to the hard one: each connection is a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS if hard == resource.RLIM_INFINITY else min(hard, MOST_CONNECTIONS)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def until_signal(server: Server) -> None:
    """Serve until a signal comes; then what is in flight has a moment to finish."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in SIGNALS:
        loop.add_signal_handler(number, stopped.set)
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(stopped.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    server.stop()
    await asyncio.wait({serving}, timeout=GRACE_SECONDS)
