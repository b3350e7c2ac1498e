"""The conformance suite against Slipway, MLServer and KServe's server, side by side; kept in docs/protocols.md.

Run: `make bench-conformance`. The clients and the two servers are installed into environments of their own.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks.conformance import servers
from benchmarks.conformance.material import iris
from benchmarks.conformance.running import Case, suite
from benchmarks.race.report import machine
from dashboard.tests.drills import clients

DOCUMENT = servers.ROOT / "docs" / "protocols.md"
BEGIN, END = "<!-- conformance: written by make bench-conformance -->", "<!-- conformance: end -->"
LONGEST = 64
Found = dict[str, list[Case]]


def main() -> int:
    model, python, found = iris(), clients.python(), Found()
    for name, serve in servers.SERVERS.items():
        with tempfile.TemporaryDirectory(prefix="slipway-conformance-") as folder, serve(model, Path(folder)) as said:
            found[name] = suite(python, said)
        print(f"{name}: {dict(Counter(case.verdict for case in found[name]))}", flush=True)
    lines = [*totals(found), "", f"{machine()}.", *tables(found)]
    print("\n".join(lines))
    text = DOCUMENT.read_text()
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    DOCUMENT.write_text("\n".join([before + BEGIN, "", *lines, "", END + after]))
    return any(case.verdict != "passed" for case in found["Slipway"])


def totals(found: Found) -> list[str]:
    groups = list(dict.fromkeys(case.group for case in found["Slipway"]))
    lines = [f"| passed of | {' | '.join(found)} |", f"|---|{'---|' * len(found)}"]
    for group in groups:
        cells = [_total([case for case in cases if case.group == group]) for cases in found.values()]
        lines.append(f"| {group} | {' | '.join(cells)} |")
    return lines


def _total(cases: list[Case]) -> str:
    offered = [case for case in cases if case.verdict != "not offered"]
    return f"{sum(case.verdict == 'passed' for case in cases)} of {len(offered)}"


def tables(found: Found) -> list[str]:
    lines: list[str] = []
    rows = zip(*found.values(), strict=True)
    last = ""
    for row in rows:
        if row[0].group != last:
            last = row[0].group
            lines += ["", f"### {last}", "", f"| Case | {' | '.join(found)} |", f"|---|{'---|' * len(found)}"]
        lines.append(f"| {row[0].says} | {' | '.join(map(_cell, row))} |")
    return lines


def _cell(case: Case) -> str:
    if case.verdict == "passed":
        return "yes"
    if case.verdict == "not offered":
        return case.words
    words = case.words if len(case.words) <= LONGEST else f"{case.words[:LONGEST].rstrip()}…"
    return f"– {words}".replace("|", "/").replace("<", "‹").replace(">", "›")


if __name__ == "__main__":
    sys.exit(main())
