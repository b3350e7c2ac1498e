"""Is an address free? If not: which one, and the setting that moves it."""

from __future__ import annotations

import errno
import socket
import time

from dashboard.addresses import Gateway
from dashboard.supervisor.trouble import Trouble

# After a SIGKILL the guards need a moment to end what listened here.
PATIENCE_SECONDS = 1.5


def check(web: tuple[str, int], gateways: tuple[Gateway, ...]) -> None:
    """Raise Trouble for the first address that cannot be listened on, or that two parts of Slipway claim."""
    _check_doubles(web, gateways)
    _check_one(*web, "The pages", f"WEB_BIND={web[0]}:{_free_port(web[1] + 1)}")
    for gateway in gateways:
        _check_one(gateway.host, gateway.port, f"The gateway {gateway.name}", _moved(gateways, gateway))


def _check_doubles(web: tuple[str, int], gateways: tuple[Gateway, ...]) -> None:
    claimed = [web, *((gateway.host, gateway.port) for gateway in gateways)]
    for host, port in claimed:
        if claimed.count((host, port)) > 1:
            raise Trouble(f"WEB_BIND and GATEWAYS name {host}:{port} twice: give each part an address of its own.")


def _check_one(host: str, port: int, who: str, setting: str) -> None:
    problem = _problem(host, port)
    until = time.monotonic() + PATIENCE_SECONDS
    while problem == errno.EADDRINUSE and time.monotonic() < until:
        time.sleep(0.1)
        problem = _problem(host, port)
    if problem == errno.EADDRINUSE:
        raise Trouble(f"{who} cannot listen on {host}:{port}: the port is taken. Free it, or move: {setting} make up")
    if problem == errno.EACCES:
        raise Trouble(f"{who} may not listen on {host}:{port}: ports below 1024 are root's. Move: {setting} make up")
    if problem:
        name = setting.partition("=")[0]
        raise Trouble(f"{who} cannot listen on {host}:{port}: not an address of this machine. Check {name}.")


def _problem(host: str, port: int) -> int:
    """Return 0, or the errno that listening there gives."""
    try:
        family, kind, *_, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(1)
    except socket.gaierror:
        return errno.EADDRNOTAVAIL
    except OSError as error:
        return error.errno or errno.EADDRNOTAVAIL
    return 0


def _free_port(first: int) -> int:
    return next((port for port in range(first, min(first + 200, 65_536)) if not _problem("127.0.0.1", port)), first)


def _moved(gateways: tuple[Gateway, ...], moving: Gateway) -> str:
    beyond = max(gateway.port for gateway in gateways) + 1
    ports = {gateway.name: _free_port(beyond) if gateway is moving else gateway.port for gateway in gateways}
    parts = [f"{','.join(each.environments)}={each.host}:{ports[each.name]}" for each in gateways]
    return f"GATEWAYS='{';'.join(parts)}'"
