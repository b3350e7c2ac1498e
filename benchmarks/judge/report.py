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
    """Put the table into the document, in place of the one before."""
    lines = [how, "", "| target | what | found | must be | |", "| --- | --- | ---: | --- | --- |"]
    lines += [f"| {r.target} | {r.what} | {r.found} | {r.must} | {'yes' if r.good else '**no**'} |" for r in rows]
    text = DOC.read_text()
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    DOC.write_text(f"{before}{BEGIN}\n{chr(10).join(lines)}\n{END}{after}")
