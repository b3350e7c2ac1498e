"""Bundles made of real serving forms, and a channel that serves them over HTTP, for the tests of devices."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from serving.edge.documents import CHANNEL, Bundle, Offer, sign
from serving.edge.making import Source, make
from serving.tests.forms import ROW, package

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
MODEL = "flight-eta"


def source(folder: Path, number: int, **more: Any) -> Source:
    """Return the source of a package whose every answer is its number."""
    target = package(folder / "artefacts", number)
    form = folder / "artefacts" / target.artefact.removeprefix("sha256:")
    values: dict[str, Any] = {
        "name": MODEL,
        "package": number,
        "form": form,
        "artefact": target.artefact,
        "example": [ROW],
        "provenance": {"trained_on": "flights"},
        "licence": "CC0",
    }
    return Source(**values | more)


def bundle(folder: Path, number: int, key: Ed25519PrivateKey = KEY, **more: Any) -> Bundle:
    (folder / "artefacts").mkdir(exist_ok=True)
    return Bundle(make(source(folder, number, **more), folder / "bundles", key), number)


class Channel:
    """What the server says. `answers` may put other bytes in the place of a file."""

    def __init__(self, bundles: Path) -> None:
        self.bundles, self.envelope, self.tag = bundles, {"offer": "", "signature": ""}, ""
        self.checked_in: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.answers: dict[str, bytes] = {}

    def offer(self, offer: Offer, key: Ed25519PrivateKey = KEY) -> None:
        data = offer.to_bytes()
        self.envelope = {"offer": data.decode(), "signature": sign(CHANNEL, data, key)}
        self.tag = f'"{self.envelope["signature"]}"'


@contextmanager
def served(channel: Channel) -> Iterator[str]:
    """Serve a channel on a port of the loopback; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rstrip("/").rsplit("/", 1)[-1]
            channel.asked.append(name)
            if name == "manifest":
                if self.headers.get("If-None-Match") == channel.tag:
                    return self._say(304, b"")
                return self._say(200, json.dumps(channel.envelope).encode())
            path = channel.bundles.joinpath(*self.path.split("/")[-2:])
            if not path.is_file():
                return self._say(404, b'{"detail": "nothing"}')
            return self._say(200, channel.answers.get(name, path.read_bytes()))

        def do_POST(self) -> None:
            channel.checked_in.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self._say(200, b"{}")

        def _say(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("ETag", channel.tag)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
