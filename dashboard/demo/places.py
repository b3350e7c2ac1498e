"""Where the demo finds the pages and the gateways, and where it leaves its key and its curl."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.core.management import CommandError

from dashboard.addresses import gateway_for
from dashboard.supervisor.probes import reachable


def web_url() -> str:
    """Return the address of the web process on this machine."""
    host, port = settings.WEB_BIND
    return _url("http", host, port)


def gateway_url(environment: str) -> str:
    """Return the address, on this machine, of the gateway that serves the environment; raises CommandError for none."""
    gateway = gateway_for(settings.GATEWAYS, environment)
    if gateway is None:
        raise CommandError(f"GATEWAYS names no gateway for {environment}. Give its address with --gateway.")
    return _url(gateway.scheme, gateway.host, gateway.port)


def public_url(environment: str) -> str:
    """Return the address that clients use: that of the proxy in front (GATEWAY_URLS), else the gateway's own."""
    urls: dict[str, str] = settings.GATEWAY_URLS
    return (urls.get(environment) or urls.get("*") or gateway_url(environment)).rstrip("/")


def token_file() -> Path:
    return Path(settings.SECRETS) / "demo-token"


def key_file() -> Path:
    return Path(settings.SECRETS) / "demo-key"


def curl_file() -> Path:
    return Path(settings.VAR) / "demo-curl.txt"


def done_file() -> Path:
    return Path(settings.VAR) / "demo-done"


def _url(scheme: str, host: str, port: int) -> str:
    name = reachable(host)
    return f"{scheme}://[{name}]:{port}" if ":" in name else f"{scheme}://{name}:{port}"
