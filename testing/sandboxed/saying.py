"""How a program in the sandbox says what it saw: a line of JSON for each thing, on the standard output it was given."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

PASSED, FAILED, ERRORED, ABSENT = "passed", "failed", "errored", "not offered"


class Wrong(Exception):
    """The case does not hold; the text says what was expected and what came."""


@dataclass
class Said:
    """One case while it runs."""

    evidence: str = ""


def keep_stdout() -> Callable[[dict[str, Any]], None]:
    """Return how to say something; what libraries print goes to standard error from now on."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(what: dict[str, Any]) -> None:
        print(json.dumps(what), file=out, flush=True)

    return say


@dataclass
class Cases:
    """Runs cases one after the other, each said when it begins and when it has ended."""

    say: Callable[[dict[str, Any]], None]
    failed: list[str] = field(default_factory=list)

    @contextmanager
    def case(self, name: str) -> Iterator[Said]:
        self.say({"begins": name})
        said, begin = Said(), time.perf_counter()
        outcome, message = PASSED, ""
        try:
            yield said
        except MemoryError:
            outcome, message = FAILED, "It needs more memory than a test may use."
        except Exception as error:
            words = " ".join(str(error).split())
            outcome, message = FAILED, words if isinstance(error, Wrong) else f"{type(error).__name__}: {words}"
        if outcome == FAILED:
            self.failed.append(name)
        self.ended(name, outcome, time.perf_counter() - begin, message, said.evidence)

    def absent(self, name: str, why: str) -> None:
        self.ended(name, ABSENT, 0.0, why)

    def ended(self, name: str, outcome: str, seconds: float, message: str = "", evidence: str = "") -> None:
        found = {"case": name, "outcome": outcome, "seconds": seconds}
        self.say(found | {"message": message[:2000], "evidence": evidence[:2000]})
