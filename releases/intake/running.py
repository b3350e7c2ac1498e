"""Start the child in the sandbox, pass its steps on live, and turn however it ended into a result or a refusal."""

import json
import os
import signal
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from releases import sandbox
from releases.intake.report import STEPS, Progress, Refused
from releases.sandbox import program
from releases.sandbox.tiers import CODE

LIMITS = sandbox.Limits(seconds=240, memory=6144 * sandbox.MIB, file_size=640 * sandbox.MIB, disk=1024 * sandbox.MIB)
CHILD = Path(__file__).with_name("child.py")
DETAIL_MOST = 600
RESULT_MOST = 16 * sandbox.MIB
CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP}
STOPPED = {
    "seconds": "took longer than an intake may",
    "disk": "wrote too much",
    "output": "printed too much",
    "error": "could not be followed",
}


class Listener:
    """Reads the child's lines; believes nothing but known steps and states, and keeps a refusal for later."""

    def __init__(self, progress: Progress) -> None:
        self.progress, self.current = progress, "inspect"
        self.refusal: tuple[str, str] | None = None

    def line(self, text: str) -> None:
        try:
            said = json.loads(text)
            step, state, detail = said["step"] or self.current, said["state"], str(said["detail"])
        except (ValueError, TypeError, KeyError):
            return
        if step in STEPS and state in _SAYS:
            _SAYS[state](self, step, "".join(char for char in detail if char.isprintable())[:DETAIL_MOST])

    def running(self, step: str, detail: str) -> None:
        self.current = step
        self.progress.running(step, detail)

    def passed(self, step: str, detail: str) -> None:
        self.progress.passed(step, detail)

    def skipped(self, step: str, detail: str) -> None:
        self.progress.skipped(step, detail)

    def refused(self, step: str, detail: str) -> None:
        self.refusal = (step, detail)


_SAYS = {
    "running": Listener.running,
    "passed": Listener.passed,
    "skipped": Listener.skipped,
    "refused": Listener.refused,
}


def run(job: Mapping[str, Any], package: Path, out: Path, progress: Progress) -> tuple[dict[str, Any], sandbox.Result]:
    """The child's result and how the sandbox ran it; raises Refused for its refusal, crash or broken limit."""
    (out / "job.json").write_text(json.dumps(job), "utf-8")
    listener = Listener(progress)
    command = program.command(CHILD, [], CODE)
    ended = sandbox.run(command, read=[package], write=out, limits=LIMITS, needs="intake", on_line=listener.line)
    if listener.refusal is not None:
        raise Refused(*listener.refusal)
    if ended.returncode != 0 or ended.stopped:
        raise Refused(listener.current, _how_it_ended(listener.current, ended))
    return json.loads(read_plain(out / "result.json", RESULT_MOST)), ended


def _how_it_ended(step: str, ended: sandbox.Result) -> str:
    doing = {"inspect": "was inspected", "load": "was loaded", "predict": "answered its example"}.get(
        step, "was converted"
    )
    if ended.stopped:
        return f"The intake was stopped: while the model {doing}, it {STOPPED[ended.stopped]}."
    if ended.signal in CRASHES:
        return (
            f"The model crashed the process in which it {doing} (signal {ended.signal}). Only that process ended; "
            "save the model again from the one you trained."
        )
    if ended.signal == signal.SIGKILL:
        return f"The process in which the model {doing} was ended, most likely because it needs too much memory."
    last = (ended.stderr.strip().splitlines() or ["no message"])[-1][:200]
    return f"The process in which the model {doing} failed: {last}"


def read_plain(path: Path, most: int) -> bytes:
    """A file that the child wrote: a plain one, not a link to something of ours; raises Refused."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        raise Refused("load", "The intake's process left no result.") from None
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_size > most:
            raise Refused("load", "The intake's process left a result that cannot be read.")
        return file.read(most)
