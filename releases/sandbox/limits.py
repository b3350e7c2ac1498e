"""What a sandboxed command may use, and what is known when it ended."""

from dataclasses import dataclass, field

MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """Bounds of one run: seconds of wall clock, everything else in bytes.

    `memory` is the address space of each process, `file_size` the largest single file,
    `disk` all that stands in the write folder, `output` what the command may print.
    """

    seconds: float = 120.0
    memory: int = 4096 * MIB
    file_size: int = 512 * MIB
    disk: int = 1024 * MIB
    output: int = 4 * MIB
    open_files: int = 256


@dataclass(frozen=True)
class Result:
    """How a run ended; `stopped` names the limit that ended it, None when it ended by itself."""

    tier: str
    returncode: int
    stopped: str | None
    seconds: float
    stdout: str
    stderr: str
    stops: frozenset[str] = field(default_factory=frozenset)

    @property
    def timed_out(self) -> bool:
        return self.stopped == "seconds"

    @property
    def signal(self) -> int | None:
        """The signal that ended the command, also when a wrapper reported it as 128 + n."""
        if self.returncode < 0:
            return -self.returncode
        return self.returncode - 128 if 128 < self.returncode < 160 else None


class SandboxUnavailable(RuntimeError):
    """This machine has no sandbox that is strong enough for what was asked."""
