"""The web process: waitress around the WSGI door, which ends within seconds and lets running requests finish."""

from __future__ import annotations

import gc
import signal
import sys
import time
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import create_server

THREADS = 8
CONNECTIONS = 1000
LOOP_SECONDS = 0.25
DRAIN_SECONDS = 1.5
FORM_BYTES = 1_048_576
EX_CONFIG = 78


def main() -> int:
    """Serve until SIGTERM or SIGINT."""
    try:
        sockets: dict[int, Any] = {}
        server = create_server(_application(), map=sockets, **options())
    except ImproperlyConfigured as error:
        sys.stderr.write(f"Settings: {error}\n")
        return EX_CONFIG
    gc.collect()
    gc.freeze()  # what is loaded by now stays: a collection in the middle of a page need not look at it
    Loop(sockets).run()
    server.task_dispatcher.shutdown(cancel_pending=True, timeout=0.1)
    return 0


def options() -> dict[str, object]:
    """Return what waitress is told; the cap on bodies leaves room for the form around an upload."""
    host, port = settings.WEB_BIND
    return {
        "host": host.strip("[]"),
        "port": port,
        "threads": THREADS,
        "connection_limit": CONNECTIONS,
        "max_request_body_size": settings.UPLOAD_MAX_BYTES + FORM_BYTES,
        "clear_untrusted_proxy_headers": True,
        "ident": None,
        **_proxy(),
    }


def _proxy() -> dict[str, object]:
    """Behind a proxy its forwarded headers are believed, and nobody else's."""
    if settings.SECURE_PROXY_SSL_HEADER is None:
        return {}
    return {"trusted_proxy": "*", "trusted_proxy_headers": "x-forwarded-proto x-forwarded-for x-forwarded-host"}


def _application() -> Any:
    from dashboard.wsgi import application

    return application


class Loop:
    """waitress's own loop, with an end: first no new connections, then no idle ones, then the time is up."""

    def __init__(self, sockets: dict[int, Any]) -> None:
        self.sockets = sockets
        self.until: float | None = None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.stop)

    def run(self) -> None:
        """Pass requests on until told to stop and nothing is under way, or DRAIN_SECONDS are over."""
        while self.until is None:
            wasyncore.loop(timeout=LOOP_SECONDS, map=self.sockets, count=1)
        for listener in [entry for entry in self.sockets.values() if entry.accepting]:
            wasyncore.dispatcher.close(listener)  # its own close() would take the wake-up pipe with it
        while self._busy() and time.monotonic() < self.until:
            wasyncore.loop(timeout=LOOP_SECONDS, map=self.sockets, count=1)

    def stop(self, number: int, frame: FrameType | None) -> None:
        self.until = self.until or time.monotonic() + DRAIN_SECONDS

    def _busy(self) -> bool:
        channels = [entry for entry in self.sockets.values() if isinstance(entry, HTTPChannel)]
        return any(channel.requests or channel.total_outbufs_len for channel in channels)


if __name__ == "__main__":
    sys.exit(main())
