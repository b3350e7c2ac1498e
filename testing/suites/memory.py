"""How much memory the gateways of an environment hold, as far as they run on this machine."""

from __future__ import annotations

import psutil

from releases import gateways
from testing.suites.base import Figure, Report

MIB = 1024 * 1024


def of(environment: str) -> dict[int, float]:
    """Return MiB by process of each gateway that serves the environment from this machine."""
    found: dict[int, float] = {}
    for beat in gateways.alive() or []:
        if environment in beat.environments and (size := _size(beat.pid)) is not None:
            found[beat.pid] = size
    return found


def comes_back(report: Report, environment: str, before: dict[int, float], most: float) -> None:
    """Say whether the gateways kept no more than so many MiB of what they took."""
    after = of(environment)
    same = [pid for pid in before if pid in after]
    if not same:
        report.not_offered("memory comes back", "No gateway of this environment runs on this machine as before.")
        return
    with report.case("memory comes back") as case:
        kept = max(after[pid] - before[pid] for pid in same)
        report.figures.append(Figure("memory kept", max(0.0, kept), "MiB", most))
        words = f"{max(0.0, kept):.0f} MiB more than before the storm, of {sum(before.values()):.0f} MiB"
        case.check(kept <= most, f"{words}; {most:g} MiB are allowed.")
        case.evidence = words


def _size(pid: int) -> float | None:
    """None for a process that is not there, or is no gateway: another machine's numbers mean nothing here."""
    try:
        process = psutil.Process(pid)
        if "serving.gateway" not in process.cmdline():
            return None
        return float(process.memory_info().rss) / MIB
    except (psutil.Error, ValueError):
        return None
