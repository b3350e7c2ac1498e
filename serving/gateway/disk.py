"""The last good tables and the order of the environments, on the gateway's own disk."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from serving import routing
from serving.routing import RouteTable

KEEP_UNUSED = 7 * 86400
log = logging.getLogger("slipway.gateway")


def write_atomically(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Replace a file whole: a reader, or a start after a power cut, sees the old bytes or the new ones.

    Not `durable` it outlives this process, but perhaps not a power cut.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError:
        os.unlink(draft)
        raise


class Disk:
    """What a gateway needs to start again while Redis is away."""

    def __init__(self, data: Path) -> None:
        self.artefacts = data / "artefacts"
        self._tables = data / "tables"
        self._order = data / "environments.json"

    def table(self, environment: str) -> RouteTable | None:
        """Return the last table adopted, or None when there is none that can be used."""
        try:
            return routing.loads((self._tables / f"{environment}.json").read_bytes())
        except (OSError, ValueError):
            return None

    def keep_table(self, table: RouteTable) -> None:
        write_atomically(self._tables / f"{table.environment}.json", routing.dumps(table))

    def drop_table(self, environment: str) -> None:
        (self._tables / f"{environment}.json").unlink(missing_ok=True)

    def order(self) -> tuple[str, ...]:
        """Return the order of the environments as it was last seen, empty at first."""
        try:
            return tuple(msgspec.json.decode(self._order.read_bytes(), type=list[str]))
        except (OSError, msgspec.MsgspecError):
            return ()

    def keep_order(self, order: tuple[str, ...]) -> None:
        write_atomically(self._order, msgspec.json.encode(list(order)))

    def prune(self, wanted: set[str]) -> None:
        """Delete artefacts that no table wants and that nobody has wanted for a week."""
        for folder in self.artefacts.glob("*"):
            unused = f"sha256:{folder.name}" not in wanted
            if unused and time.time() - folder.stat().st_mtime > KEEP_UNUSED:
                shutil.rmtree(folder, ignore_errors=True)


class Keeper:
    """Keeps what a start without Redis needs; what a full disk does not take is tried again with each look."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._order: tuple[str, ...] = ()
        self._said: dict[str, str] = {}

    def keep_order(self, order: tuple[str, ...]) -> None:
        if order and order != self._order:
            with suppress(OSError):
                self._disk.keep_order(order)
                self._order = order

    def keep_table(self, table: RouteTable) -> str | None:
        """Return why the table could not be kept, None if it was; a full disk costs the next start its newest table."""
        try:
            self._disk.keep_table(table)
        except OSError as error:
            words = f"Generation {table.generation} cannot be kept on this gateway's disk: {error.strerror}."
            if words != self._said.get(table.environment):
                log.error("%s: %s", table.environment, words)
            self._said[table.environment] = words
            return words
        self._said.pop(table.environment, None)
        return None
