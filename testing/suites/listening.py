"""Take over what a program in the sandbox says, line by line; believe nothing but cases, and no more than so many."""

from __future__ import annotations

import json
import math
import signal
from typing import Any

from releases import sandbox
from testing.suites.base import ABSENT, ERRORED, FAILED, PASSED, Found, Report, Stop

OUTCOMES = frozenset({PASSED, FAILED, ERRORED, ABSENT})
MOST, NAME_MOST, TEXT_MOST = 1000, 200, 2000
CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP}
STOPPED = {
    "seconds": "It took longer than it may, and was stopped.",
    "disk": "It wrote more than it may, and was stopped.",
    "output": "It printed more than it may, and was stopped.",
    "error": "It could not be followed, and was stopped.",
}


class Listener:
    """Reads lines of JSON. `complete` once the program has said that it came to its end."""

    def __init__(self, report: Report) -> None:
        self.report, self.at_work, self.complete, self.count = report, "", False, 0
        self.stop: Stop | None = None

    def line(self, text: str) -> None:
        """Take one line; what is no line of ours is ignored."""
        try:
            said = json.loads(text)
        except ValueError:
            return
        if self.stop is not None or not isinstance(said, dict):
            return
        try:
            self._take(said)
        except Stop as stop:
            self.stop = stop

    def stop_if_asked(self) -> None:
        if self.stop is not None:
            raise self.stop

    def _take(self, said: dict[str, Any]) -> None:
        if said.get("ended") is True:
            self.complete = True
        elif "begins" in said:
            self.at_work = _plain(said["begins"], NAME_MOST)
            self.report.begin(self.at_work)
        elif said.get("outcome") in OUTCOMES and self.count < MOST:
            self.count += 1
            self.at_work = ""
            self.report.add(_found(said))


def how_it_ended(ended: sandbox.Result) -> str:
    """Say why a program did not come to its end."""
    if ended.stopped:
        return STOPPED[ended.stopped]
    if ended.signal in CRASHES:
        return f"It crashed its process (signal {ended.signal})."
    if ended.signal == signal.SIGKILL:
        return "Its process was ended, most likely because it needs too much memory."
    last = (ended.stderr.strip().splitlines() or ["no message"])[-1][:200]
    return f"It ended its process before its end (exit code {ended.returncode}): {last}"


def _found(said: dict[str, Any]) -> Found:
    seconds: Any = said.get("seconds")
    took = float(seconds) if type(seconds) in (int, float) and math.isfinite(seconds) else 0.0
    name = _plain(said.get("case"), NAME_MOST)
    return Found(
        name, said["outcome"], took, _plain(said.get("message"), TEXT_MOST), _plain(said.get("evidence"), TEXT_MOST)
    )


def _plain(text: Any, most: int) -> str:
    return "".join(char for char in str(text or "") if char.isprintable())[:most]
