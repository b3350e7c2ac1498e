"""The server as a device sees it: what the channel offers, the files of a bundle, and the place to check in."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from serving.edge.documents import MANIFEST, SIGNATURE, EdgeError, Manifest

SECONDS = 30
CHUNK = 1 << 20
# A manifest or an offer is never larger.
MOST_DOCUMENT = 1 << 20


class Unreachable(Exception):
    """The server cannot be asked now; what the device has goes on."""


@dataclass(frozen=True)
class CheckIn:
    """What a device tells: the bundle that it runs, how the one that it should run went, and the time of a row."""

    device: str
    bundle: str
    state: str
    words: str = ""
    seconds: float = 0.0
    memory: int = 0


class Server:
    """One channel of one model, asked with the environment's key where it wants one."""

    def __init__(self, server: str, model: str, channel: str, token: str = "") -> None:
        if urlsplit(server).scheme not in ("http", "https"):
            raise EdgeError("The server's address must begin with https:// or http://.")
        self.place = (model, channel)
        self._base = f"{server.rstrip('/')}/api/edge/{quote(model)}/{quote(channel)}"
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._opener = build_opener(_NoRedirect)

    def offer(self, tag: str) -> tuple[bytes, str, str] | None:
        """Return the offer, its signature and its tag; None when it is still the one that `tag` names."""
        try:
            with self._open("manifest/", {"If-None-Match": tag} if tag else {}) as answer:
                found = json.loads(answer.read(MOST_DOCUMENT))
                return found["offer"].encode(), str(found["signature"]), answer.headers.get("ETag", "")
        except HTTPError as error:
            if error.code == 304:
                return None
            raise _refused(error) from error
        except (OSError, HTTPException) as error:
            raise Unreachable(_words(error)) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise EdgeError("The channel's answer cannot be read.") from error

    def fetch(self, bundle: str, folder: Path) -> None:
        """Bring a bundle's files into a folder, none larger than its manifest says. Nothing is checked here."""
        try:
            for name in (MANIFEST, SIGNATURE):
                self._get(bundle, name, folder, MOST_DOCUMENT)
            for file in Manifest.from_bytes((folder / MANIFEST).read_bytes()).files:
                self._get(bundle, file.path, folder, file.size)
        except HTTPError as error:
            raise _refused(error) from error
        except (OSError, HTTPException) as error:
            raise Unreachable(_words(error)) from error

    def check_in(self, told: CheckIn) -> None:
        """Tell the server how this device is."""
        data = json.dumps(asdict(told)).encode()
        try:
            with self._open("check-in/", {"Content-Type": "application/json"}, data):
                pass
        except HTTPError as error:
            raise _refused(error) from error
        except (OSError, HTTPException) as error:
            raise Unreachable(_words(error)) from error

    def _get(self, bundle: str, name: str, folder: Path, most: int) -> None:
        left = most
        with self._open(f"bundles/{bundle}/{quote(name)}") as answer, (folder / name).open("wb") as file:
            while chunk := answer.read(CHUNK):
                left -= len(chunk)
                if left < 0:
                    raise EdgeError(f"{name} is larger than its manifest says.")
                file.write(chunk)

    def _open(self, path: str, headers: dict[str, str] | None = None, data: bytes | None = None) -> Any:
        request = Request(f"{self._base}/{path}", data, {**self._headers, **(headers or {})})  # noqa: S310 - checked above
        return self._opener.open(request, timeout=SECONDS)


class _NoRedirect(HTTPRedirectHandler):
    """A redirect would carry the key to another address."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _refused(error: HTTPError) -> Exception:
    """What the server says no to is no fault of the bundle: it may be mended there, so one asks again later."""
    try:
        words = json.loads(error.read(2000)).get("detail", "")
    except (ValueError, AttributeError, OSError):
        words = ""
    return Unreachable(f"The server answers {error.code}. {words}".strip())


def _words(error: Exception) -> str:
    reason = error.reason if isinstance(error, URLError) else error
    return f"The server cannot be reached: {reason or type(error).__name__}."
