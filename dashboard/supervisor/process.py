"""One run of one command behind its guard: start, output line by line, end; afterwards nothing of it is left."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from dashboard.supervisor.guard import PID_LINE, parents
from dashboard.supervisor.output import Lines

GUARD = Path(__file__).with_name("guard.py")
GUARDS: set[int] = set()
# The kernel hands a killed guard's processes up one after the other, as they die.
SWEEPS = (0.0, 0.1, 0.5)


class Process:
    """A command that runs. `say` gets each line it prints; `pid` is known after its first moment."""

    def __init__(self, name: str, say: Callable[[str], None]) -> None:
        self.name, self.say = name, say
        self.pid: int | None = None
        self._guard: asyncio.subprocess.Process | None = None
        self._control = self._output = -1
        self._lines = Lines()

    async def run(self, command: Sequence[str], environment: Mapping[str, str], nice: int = 0) -> int:
        """Run the command to its end; returns the exit code, 128 + n for signal n."""
        self._guard = guard = await self._spawn(environment)
        os.write(self._control, json.dumps({"command": list(command), "nice": nice}).encode() + b"\n")
        asyncio.get_running_loop().add_reader(self._output, self._read)
        GUARDS.add(guard.pid)
        try:
            code = await guard.wait()
        finally:
            GUARDS.discard(guard.pid)
            self._clear_up(guard.pid)
        return 128 - code if code < 0 else code

    def terminate(self) -> None:
        """Ask it to end."""
        self._signal_guard(signal.SIGTERM)

    def kill(self) -> None:
        """End it and everything it started, now: the guard does that when its stdin ends."""
        if self._control >= 0:
            os.close(self._control)
            self._control = -1

    def kill_guard(self) -> None:
        """The last resort, for a guard that does not run (somebody stopped it): the kernel ends the command with it."""
        self._signal_guard(signal.SIGKILL)

    def _signal_guard(self, number: int) -> None:
        if self._guard and self._guard.returncode is None:
            with suppress(ProcessLookupError):
                self._guard.send_signal(number)

    async def _spawn(self, environment: Mapping[str, str]) -> asyncio.subprocess.Process:
        stdin, self._control = os.pipe()
        self._output, stdout = os.pipe()
        os.set_blocking(self._output, False)
        try:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(GUARD), self.name),
                stdin=stdin,
                stdout=stdout,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,
            )
        finally:
            os.close(stdin)
            os.close(stdout)

    def _read(self) -> bool:
        """Pass on what is there; False when that was all."""
        try:
            data = os.read(self._output, 65_536)
        except BlockingIOError:
            return False
        if not data:
            asyncio.get_running_loop().remove_reader(self._output)
        for line in self._lines.feed(data):
            self._take(line)
        return bool(data)

    def _take(self, line: str) -> None:
        if line.startswith(PID_LINE):
            self.pid = int(line.removeprefix(PID_LINE))
        else:
            self.say(line)

    def _clear_up(self, guard: int) -> None:
        """Where the guard itself was killed: end what it watched, and what its death handed up to us."""
        self.kill()
        while self._read():
            pass
        if self._lines.rest:
            self._take(self._lines.rest.decode(errors="replace"))
        for group in filter(None, (guard, self.pid)):
            with suppress(OSError):
                os.killpg(group, signal.SIGKILL)
        for seconds in SWEEPS:
            asyncio.get_running_loop().call_later(seconds, _sweep)
        asyncio.get_running_loop().remove_reader(self._output)
        os.close(self._output)


def _sweep() -> None:
    """Kill and collect what guards that were killed have left to us (we are a subreaper): no guard, another session."""
    ours = [pid for pid, parent in parents().items() if parent == os.getpid() and pid not in GUARDS]
    for pid in ours:
        with suppress(OSError):
            if os.getsid(pid) != os.getsid(0) and str(GUARD) not in Path(f"/proc/{pid}/cmdline").read_text():
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, os.WNOHANG)
