"""The targets of the judge, each with what was measured; every figure of docs/judge.md comes from here.

python -m benchmarks.judge                 all of them (about two hours on two cores)
python -m benchmarks.judge --quick         fewer runs (minutes); chance is allowed for
python -m benchmarks.judge --only T3 T10   some of them
python -m benchmarks.judge --write         put the table into docs/judge.md
"""

from __future__ import annotations

import argparse
import os
import sys
import time

# Before numpy: one thread for each process, of which there is one for each core.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

from benchmarks.judge import chance, exact, report  # noqa: E402

TARGETS = {
    "T1": chance.false_rollbacks,
    "T2": chance.noisy,
    "T3": chance.one_metric,
    "T4": chance.two_metrics,
    "T5": chance.late_onset,
    "T6": exact.golden,
    "T7": exact.merging,
    "T8": exact.speed,
    "T9": exact.total_failure,
    "T10": chance.traces,
    "T11": exact.replaying,
    "planner": chance.planner,
}


def main() -> int:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--quick", action="store_true")
    ask.add_argument("--write", action="store_true")
    ask.add_argument("--only", nargs="+", choices=TARGETS, default=list(TARGETS))
    asked = ask.parse_args()
    rows, began = [], time.monotonic()
    for name in asked.only:
        for row in TARGETS[name](asked.quick):
            report.show(row)
            rows.append(row)
            if asked.write:  # row by row, because the whole takes an hour
                report.write(rows, "Simulated canaries, judged by `releases.analysis.verdict.Judge` itself.")
    took = time.monotonic() - began
    missed = sum(not row.good for row in rows)
    print(f"{len(rows) - missed} of {len(rows)} kept, in {took / 60:.0f} min")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
