"""One child: keep it running, say when it dies, start it again with back-off, stop it."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from dashboard.supervisor.output import Console, Log
from dashboard.supervisor.process import Process

FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0
# A child that ran this long was well: its next crash is a first one again.
WELL_SECONDS = 30.0
MANY_CRASHES = 5
EX_CONFIG = 78
READY_EVERY = 0.05
SLOW_SECONDS = 30.0
KILL_SECONDS = 1.0


@dataclass(frozen=True)
class Spec:
    """What to run. `ready` is asked in a thread until it says yes; `once`: exit code 0 is the end, not a crash.

    `quiet`: what it prints goes to its log file only; `murmur`: lines with this word do. `last_exit`: the variable that
    tells it how its last run ended.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    ready: Callable[[], bool] | None = None
    nice: int = 0
    once: bool = False
    quiet: bool = False
    murmur: str = ""
    last_exit: str = ""
    stop_seconds: float = 2.0


class Child:
    """Keeps one command running until it is told to stop."""

    def __init__(self, spec: Spec, console: Console, logs: Path) -> None:
        self.spec, self.console, self.log = spec, console, Log(logs / f"{spec.name}.log")
        self.ready = asyncio.Event()
        self.crashes = 0
        self.last_code: int | None = None
        self.process: Process | None = None
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to keep it running; returns at once."""
        self._task = asyncio.create_task(self._keep(), name=self.spec.name)

    async def stop(self, at_once: bool = False) -> None:
        """Ask it to end (SIGTERM), and end it when it takes longer than its `stop_seconds`."""
        self._stopping.set()
        if self._task:
            if self.process and not at_once:
                self.process.terminate()
                await asyncio.wait([self._task], timeout=self.spec.stop_seconds)
            await self._end(self._task)
        self.log.close()

    def kill(self) -> None:
        """End it now, together with everything it started."""
        self._stopping.set()
        if self.process:
            self.process.kill()

    async def _end(self, task: asyncio.Task[None]) -> None:
        self.kill()
        await asyncio.wait([task], timeout=KILL_SECONDS)
        if self.process:
            self.process.kill_guard()
        await asyncio.wait([task], timeout=KILL_SECONDS)

    async def _keep(self) -> None:
        while not self._stopping.is_set():
            started = time.monotonic()
            code = await self._run()
            if self._stopping.is_set() or self._is_the_end(code):
                return
            self.last_code = code
            self.crashes = 1 if time.monotonic() - started > WELL_SECONDS else self.crashes + 1
            await self._wait_before_the_next(code)

    async def _run(self) -> int:
        self.process = Process(self.spec.name, self._say)
        ready = asyncio.create_task(self._wait_until_ready())
        try:
            return await self.process.run(self.spec.command, self._environment(), self.spec.nice)
        finally:
            ready.cancel()
            self.ready.clear()

    def _environment(self) -> dict[str, str]:
        told = {self.spec.last_exit: str(self.last_code)} if self.spec.last_exit and self.last_code is not None else {}
        return {**self.spec.environment, **told}

    def _is_the_end(self, code: int) -> bool:
        if code == EX_CONFIG:
            self._complain("its configuration is wrong (see above), so it is not started again: mend it, then make up.")
        return code == EX_CONFIG or (code == 0 and self.spec.once)

    async def _wait_before_the_next(self, code: int) -> None:
        wait = min(FIRST_WAIT * 2 ** min(self.crashes - 1, 10), LONGEST_WAIT)
        self._complain(f"{_how(code)}; starting it again in {wait:g} s")
        if self.crashes % MANY_CRASHES == 0:
            self._complain(f"HAS CRASHED {self.crashes} TIMES IN A ROW; everything else goes on. See {self.log.path}")
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), wait)

    async def _wait_until_ready(self) -> None:
        started, warned = time.monotonic(), False
        while self.spec.ready and not await asyncio.to_thread(self.spec.ready):
            await asyncio.sleep(READY_EVERY)
            if not warned and time.monotonic() - started > SLOW_SECONDS:
                self._complain(f"is not ready after {SLOW_SECONDS:g} s; waiting on")
                warned = True
        self.log.write(f"supervisor: ready after {time.monotonic() - started:.1f} s")
        self.ready.set()

    def _say(self, line: str) -> None:
        self.log.write(line)
        if self.spec.quiet or (self.spec.murmur and self.spec.murmur in line):
            return
        if line.startswith("curl "):
            self.console.plain(f"\n{line}\n")  # to be copied as it stands
        else:
            self.console.child(self.spec.name, line)

    def _complain(self, text: str) -> None:
        self.log.write(f"supervisor: {text}")
        self.console.bad(self.spec.name, text)


def _how(code: int) -> str:
    if code > 128:
        with suppress(ValueError):
            return f"was ended by {signal.Signals(code - 128).name}"
    return f"ended with exit code {code}"
