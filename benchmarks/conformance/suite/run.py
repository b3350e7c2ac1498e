"""Run every case against the target on the command line; prints a line of JSON each: group, says, verdict, words."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Mapping

import kserving
import table
import triton
from target import NotOffered, Target

Cases = Mapping[str, Callable[[Target], object]]
GROUPS: dict[str, Cases] = {
    "tritonclient": triton.CASES,
    "KServe client, V2": kserving.V2_CASES,
    "KServe client, V1": kserving.V1_CASES,
    "Case table": table.CASES,
}
LONGEST = 110


def main(path: str) -> int:
    target, bad = Target.read(path), 0
    for group, cases in GROUPS.items():
        for says, case in cases.items():
            verdict, words = outcome(case, target)
            bad += verdict == "failed"
            print(json.dumps({"group": group, "says": says, "verdict": verdict, "words": words}), flush=True)
    return 1 if bad else 0


def outcome(case: Callable[[Target], object], target: Target) -> tuple[str, str]:
    """Return passed, failed or not offered, and what was answered instead."""
    try:
        case(target)
    except NotOffered as error:
        return "not offered", str(error)
    except Exception as error:
        # Whatever a client raises here is its verdict on the server.
        return "failed", _words(error)
    return "passed", ""


def _words(error: Exception) -> str:
    """What the client says, on one line, without what differs from run to run."""
    words = " ".join((str(error) or type(error).__name__).split())
    words = words.partition(" for url")[0].removeprefix(", ")
    unreadable = words.partition("an exception occurred in the client")
    return (f"{unreadable[0]}an error that the client cannot read" if unreadable[1] else words)[:LONGEST]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main(sys.argv[1]))
