"""The dangerous part of an intake, in a process of its own inside the sandbox: load, predict, convert, prove.

Reads `job.json` in the working folder and the package it names; writes `result.json` and perhaps `model.onnx` beside
it; says each step as one line of JSON on standard output. No Django here, and nothing that this process cannot lose.
"""

import json
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

REFUSED = 3


def main() -> int:
    """The exit code: 0, or 3 after a refusal that was said."""
    from releases.intake.report import Refused

    said = _keep_stdout()
    warnings.simplefilter("ignore")
    say = _sayer(said)
    try:
        _work(say)
    except Refused as refused:
        say(refused.step, "refused", refused.reason)
        return REFUSED
    except MemoryError:
        say("", "refused", "The model needs more memory than an intake may use.")
        return REFUSED
    return 0


def _keep_stdout() -> TextIO:
    """Libraries print what they like to standard error; standard output is ours."""
    said = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return said


def _sayer(said: TextIO) -> Callable[[str, str, str], None]:
    def say(step: str, state: str, detail: str = "") -> None:
        print(json.dumps({"step": step, "state": state, "detail": detail}), file=said, flush=True)

    return say


def _work(say: Callable[[str, str, str], None]) -> None:
    from releases.intake import examine

    job = json.loads(Path("job.json").read_text("utf-8"))
    result: dict[str, Any] = examine.examine(job, Path("model.onnx"), say)
    Path("result.json").write_text(json.dumps(result), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
