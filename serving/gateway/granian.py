"""Granian as the gateway's HTTP server, by its RSGI interface; imported only where GATEWAY_SERVER=granian."""

from __future__ import annotations

from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.server.embed import Server as Granian

from serving.gateway.config import Config
from serving.gateway.reading import IDLE_SECONDS, MOST_HEADERS
from serving.gateway.rsgi import RsgiDoor
from serving.gateway.server import BACKLOG, MOST_CONNECTIONS


class GranianServer:
    """Granian inside this process's own event loop."""

    def __init__(self, config: Config, door: RsgiDoor) -> None:
        self._server = Granian(
            door,
            address=config.host,
            port=config.port,
            interface=Interfaces.RSGI,
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(header_read_timeout=int(IDLE_SECONDS * 1000), max_buffer_size=MOST_HEADERS),
            websockets=False,
            backlog=BACKLOG,
            backpressure=MOST_CONNECTIONS,
            log_enabled=False,
            ssl_cert=config.certificate.chain if config.certificate else None,
            ssl_key=config.certificate.key if config.certificate else None,
            ssl_protocol_min=SSLProtocols.tls12,
        )

    async def serve(self) -> None:
        await self._server.serve()

    def stop(self) -> None:
        self._server.stop()  # type: ignore[no-untyped-call]
