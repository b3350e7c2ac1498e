"""Run one command locked in: the strongest tier that this machine really has, measured before it is trusted."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from releases.sandbox import probe, process
from releases.sandbox.limits import MIB, Limits, Result, SandboxUnavailable
from releases.sandbox.tiers import HOSTILE, TIERS, Job, Tier

__all__ = ["HOSTILE", "MIB", "TIERS", "Limits", "Result", "SandboxUnavailable", "Tier", "choose", "offered", "run"]

FORCE = "SLIPWAY_SANDBOX"
INSTALL = "install bubblewrap (Debian: apt-get install -y bubblewrap)"


def run(
    command: Sequence[str],
    *,
    read: Sequence[Path],
    write: Path,
    limits: Limits,
    needs: str,
    on_line: Callable[[str], None] | None = None,
) -> Result:
    """Run `command` (an absolute interpreter first) with `read` readable and only `write` writable, its working folder.

    `needs` is "intake" or "tests"; `on_line` is called with each line of standard output while it runs. The calling
    thread must live as long as the call: when it or its process dies, the command dies too.
    Raises SandboxUnavailable when no tier is good enough.
    """
    tier = choose(needs)
    write = write.resolve()
    job = Job(list(command), [path.resolve() for path in read], write, limits)
    result = process.execute(tier.name, tier.wrap(job), write, limits, on_line)
    return replace(result, stops=probe.stops(tier.name) or frozenset())


def choose(needs: str) -> Tier:
    """The strongest tier for "intake" (any will do) or "tests" (one that stops every hostile case).

    Raises SandboxUnavailable with what to install.
    """
    forced = os.environ.get(FORCE)
    for name in [forced] if forced else TIERS:
        if name not in TIERS:
            raise SandboxUnavailable(f"{FORCE}={name} is not a tier; choose one of {', '.join(TIERS)}.")
        if good_enough(name, needs):
            return TIERS[name]
    raise SandboxUnavailable(f"No sandbox on this machine is strong enough for {needs}: {INSTALL}.")


def good_enough(name: str, needs: str) -> bool:
    """Intake executes only allow-listed types, so limits alone will do there; tests need every case stopped."""
    stopped = probe.stops(name)
    if stopped is None:
        return False
    return stopped >= HOSTILE if needs == "tests" else True


def offered() -> dict[str, frozenset[str] | None]:
    """What each tier stops on this machine; None: it does not run here."""
    return {name: probe.stops(name) for name in TIERS}
