"""What was found, row by row: printed as it comes, and as the table of docs/judge.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DOC = Path(__file__).resolve().parents[2] / "docs" / "judge.md"
BEGIN, END = "<!-- judge: written by make bench-judge -->", "<!-- judge: end -->"


@dataclass(frozen=True)
class Row:
    """One figure beside what it must be."""

    target: str
    what: str
    found: str
    must: str
    good: bool


def show(row: Row) -> None:
    print(f"{'ok  ' if row.good else 'MISS'} {row.target:8} {row.what:86} {row.found:>28}   {row.must}", flush=True)


def write(rows: Sequence[Row], how: str) -> None:
    """Put the rows into the document's table; those of targets that were not measured now stay as they were."""
    text = DOC.read_text()
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    held = text.split(BEGIN)[1].split(END)[0].splitlines()
    measured = {row.target for row in rows}
    lines = [line for line in held if line.startswith("| ") and line.split(" | ")[0][2:] not in measured]
    lines = [line for line in lines if not line.startswith(("| target", "| ---"))]
    lines += [f"| {r.target} | {r.what} | {r.found} | {r.must} | {'yes' if r.good else '**no**'} |" for r in rows]
    head = [how, "", "| target | what | found | must be | |", "| --- | --- | ---: | --- | --- |"]
    table = "\n".join([*head, *sorted(lines, key=_order)])
    DOC.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")


def _order(line: str) -> tuple[bool, int]:
    target = line.split(" | ")[0][2:]
    return (target == "planner", int(target[1:]) if target[1:].isdigit() else 0)
