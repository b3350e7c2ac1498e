"""Where things listen: the web address, the gateways, and the embedded Valkey's socket."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from serving.gateway.config import ConfigError, model_address

# A unix socket's path may have 107 bytes on Linux and 103 on macOS, so it cannot live under a deep checkout.
LONGEST_SOCKET = 100


@dataclass(frozen=True)
class Gateway:
    """One gateway process: name, address and the environments it answers for (`*`: all others); https with TLS."""

    name: str
    host: str
    port: int
    environments: tuple[str, ...]
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"

    def serves(self, environment: str, named_elsewhere: frozenset[str]) -> bool:
        return environment in self.environments or ("*" in self.environments and environment not in named_elsewhere)


def parse_bind(name: str, text: str) -> tuple[str, int]:
    """Split `host:port`; raises ImproperlyConfigured, naming the setting."""
    host, _, port = text.strip().rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ImproperlyConfigured(f"{name} must look like 127.0.0.1:8000 (got {text!r}).")
    return host, int(port)


def parse_gateways(text: str, scheme: str = "http") -> tuple[Gateway, ...]:
    """Read `production=127.0.0.1:8100;*=127.0.0.1:8101`; raises ImproperlyConfigured for a bad or doubled part."""
    gateways = tuple(_gateway(part, scheme) for part in text.split(";") if part.strip())
    named = [environment for gateway in gateways for environment in gateway.environments]
    doubled = {environment for environment in named if named.count(environment) > 1}
    if not gateways or doubled:
        raise ImproperlyConfigured(f"GATEWAYS must name each environment once (got {text!r}).")
    return gateways


def parse_urls(text: str) -> dict[str, str]:
    """Read `production=https://predict.example.com;*=https://…`; raises ImproperlyConfigured for any other form."""
    urls = {}
    for part in filter(None, map(str.strip, text.split(";"))):
        name, _, url = part.partition("=")
        if not name or not url.startswith(("http://", "https://")):
            raise ImproperlyConfigured(f"GATEWAY_URLS: each part must look like production=https://… (got {part!r}).")
        urls[name.strip()] = url.rstrip("/")
    return urls


def parse_model(name: str, text: str) -> str:
    """Read `environment/model` or `model`; raises ImproperlyConfigured, naming the setting."""
    try:
        return model_address(name, text)
    except ConfigError as error:
        raise ImproperlyConfigured(str(error)) from error


def _gateway(part: str, scheme: str) -> Gateway:
    names, equals, bind = part.partition("=")
    environments = tuple(name.strip() for name in names.split(",") if name.strip())
    if not equals or not environments:
        raise ImproperlyConfigured(f"GATEWAYS: each part must look like production=127.0.0.1:8100 (got {part!r}).")
    host, port = parse_bind("GATEWAYS", bind)
    return Gateway("-".join(environments).replace("*", "others"), host, port, environments, scheme)


def gateway_for(gateways: tuple[Gateway, ...], environment: str) -> Gateway | None:
    """Return the gateway that serves the environment, or None."""
    named = frozenset(name for gateway in gateways for name in gateway.environments)
    return next((gateway for gateway in gateways if gateway.serves(environment, named)), None)


def socket_folder(var: Path) -> Path:
    """Return a short private folder for the socket, the same for every process that uses this `var`."""
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    if len(str(base)) > LONGEST_SOCKET - 40:
        base = Path("/tmp")  # noqa: S108 - the folder inside is 0700 and checked before use
    return base / f"slipway-{os.getuid()}-{hashlib.sha256(str(var).encode()).hexdigest()[:12]}"
