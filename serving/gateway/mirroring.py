"""The thread that owns the shadow process: starts it while a table has shadows, feeds it, and starts it again.

Only this thread ever waits for the shadow process: one that has died, hangs or is too slow costs pairs, nothing else.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from serving.gateway.mirror import Waiting
from serving.gateway.pairs import MOST_FRAME, Watch, Watched, frame
from serving.gateway.world import Live, World
from serving.runtimes.apart import ONE_THREAD

ROOT = Path(__file__).parents[2]
# What came meanwhile is sent together: waking up for every request would take turns away from the event loop.
PAUSE_SECONDS, IDLE_SECONDS = 0.05, 0.5
AT_ONCE = 512
# A process that takes nothing for so long hangs; after one that ended the next begins a little later.
STUCK_SECONDS, RESTART_SECONDS = 30.0, 2.0
log = logging.getLogger("slipway.gateway")


class Mirroring:
    """Runs in one thread of its own."""

    def __init__(self, live: Live, mirror: Waiting[Any]) -> None:
        self._live, self._mirror = live, mirror
        self._world: World | None = None
        self._watched: list[Watched] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._last_exit, self._next_start = "", 0.0

    def run(self, stop: threading.Event) -> None:
        """Go on until `stop` is set; then the process ends with what it has."""
        while not stop.wait(PAUSE_SECONDS if self._watched else IDLE_SECONDS):
            try:
                self.step()
            except Exception:
                # The thread outlives every surprise: what is mirrored must never cost an answer.
                log.exception("Requests could not be mirrored.")
                self._end()
        self._end()

    def step(self) -> None:
        """Follow the tables, then send what waits."""
        self._follow()
        while taken := self._mirror.room.take(AT_ONCE):
            for found, weight in taken:
                self._pass_on(found)
                self._mirror.room.done(weight)

    def _pass_on(self, found: Any) -> None:
        """An answer can be far larger than its reply: of many classes, of which one was asked for."""
        news = self._mirror.untold()
        data = frame(self._mirror.pair(found, news))
        if len(data) <= MOST_FRAME and self._send(data):
            self._mirror.told(news)
        else:
            self._mirror.lost.update(self._mirror.runs(found))

    def _follow(self) -> None:
        if self._live.world is not self._world:
            self._world = self._live.world
            watched = sorted(_watched(self._world), key=lambda each: each.shadow.run)
            if watched != self._watched:
                self._watched = watched
                self._tell()
        if self._watched and not self._running():
            self._start()
        if not self._watched and self._process is not None:
            self._end()

    def _running(self) -> bool:
        if self._process is not None and (code := self._process.poll()) is not None:
            log.warning("The shadow process ended (%d).", code)
            self._last_exit, self._process = str(code), None
            self._end()
        return self._process is not None

    def _start(self) -> None:
        """A process that dies at once is not started again and again without a pause."""
        if time.monotonic() < self._next_start:
            return
        self._next_start = time.monotonic() + RESTART_SECONDS
        ours, theirs = socket.socketpair()
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": path, "GATEWAY_LAST_EXIT": self._last_exit}
        with theirs:
            command = [sys.executable, "-m", "serving.gateway.shadow"]
            self._process = subprocess.Popen(command, stdin=theirs.fileno(), env=environment)
        ours.settimeout(STUCK_SECONDS)
        self._line = ours
        self._tell()

    def _tell(self) -> None:
        if self._line is not None:
            self._send(frame(Watch(self._watched)))

    def _send(self, data: bytes) -> bool:
        """Say whether the process took it; one that takes nothing any more is ended."""
        if self._line is None:
            return False
        try:
            self._line.sendall(data)
        except OSError as error:
            words = "takes nothing any more" if isinstance(error, TimeoutError) else "has gone"
            log.warning("The shadow process %s; it is started again.", words)
            self._end(kill=True)
            return False
        return True

    def _end(self, kill: bool = False) -> None:
        """It ends by itself when nobody is at the other end; what hangs is killed."""
        if self._line is not None:
            self._line.close()
        process, self._line, self._process = self._process, None, None
        if process is not None:
            if kill:
                process.kill()
            with suppress(subprocess.TimeoutExpired):
                self._last_exit = str(process.wait(1.0))
                return
            process.kill()
            self._last_exit = str(process.wait())


def _watched(world: World) -> list[Watched]:
    return [
        Watched(name, route.model, route.deadline, shadow)
        for name, live in world.tables.items()
        for route in live.table.routes.values()
        for shadow in route.shadows
    ]
