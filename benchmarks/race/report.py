"""Print what the race showed, and keep it in docs/performance.md between two markers."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmarks.race import table
from benchmarks.race.models import FOREST, LOGISTIC
from benchmarks.race.ours import ROOT

DOCUMENT = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- {}: written by make bench-gateway -->", "<!-- {}: end -->"
ASKED = ((LOGISTIC, 16), (LOGISTIC, 64), (FOREST, 16), (FOREST, 64))


def tell(seen: table.Seen, wanted: Iterable[table.Goal], *, write: bool) -> None:
    """Print the tables; with `write`, keep them in the document too."""
    lines = [
        *table.goals(seen, wanted),
        "",
        *table.best(seen, ASKED),
        *_allowed(seen),
        *_figures(seen.figures),
        f"{machine()}; other processes took {_others(seen):.0%} of a core meanwhile.",
        "",
        *table.cases(seen.results),
    ]
    print("\n".join(lines), flush=True)
    if write:
        keep("race", lines)


def keep(name: str, lines: list[str]) -> None:
    """Put the lines between the two markers of this name."""
    text = DOCUMENT.read_text()
    begin, end = BEGIN.format(name), END.format(name)
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    body = "\n".join(lines)
    DOCUMENT.write_text(f"{before}{begin}\n\n{body}\n\n{end}{after}")


def machine() -> str:
    """Return the machine in words."""
    told = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in told if line.startswith("model name")]
    when = time.strftime("%Y-%m-%d")
    return (
        f"{when}, {names[0] if names else platform.machine()}, {len(names)} cores, Python {platform.python_version()}"
    )


def _allowed(seen: table.Seen) -> list[str]:
    """Return how far a bare prototype comes behind each server: no gateway behind it can come further."""
    found = []
    for name in ("bare-granian", "bare-uvicorn"):
        ratios = [_ratio(seen, name, count) for count in (16, 64)]
        middle = table.over(seen.p50(name, LOGISTIC, 1), seen.p50("fastapi-onnx", LOGISTIC, 1))
        if None not in (*ratios, middle):
            found.append(
                f"{name}: {ratios[0]:.1f} × and {ratios[1]:.1f} × FastAPI with onnxruntime at 16 and 64 connections, "
                f"median at one connection {middle:.2f} ×."
            )
    return found


def _ratio(seen: table.Seen, name: str, count: int) -> float | None:
    return table.over(seen.rate(name, LOGISTIC, count), seen.rate("fastapi-onnx", LOGISTIC, count))


def _figures(figures: Mapping[str, float]) -> list[str]:
    """Return what the goals do not say of the figures that are no rounds."""
    if not figures:
        return []
    return [
        f"A first start, which fetches its 20 packages, takes {figures['first']:.2f} s.",
        f"With 50 forests loaded: {figures['megabytes']:.0f} MB; p99 at 16 connections {figures['still']:.2f} ms, and "
        f"{figures['switched']:.2f} ms while 20 tables a second are published and adopted.",
        f"The forest on scikit-learn: one gateway {figures['one']:,.0f} requests a second, two {figures['both']:,.0f}.",
    ]


def _others(seen: table.Seen) -> float:
    found = [each.others for result in seen.results.values() for each in result.rounds]
    return sum(found) / len(found) if found else 0.0
