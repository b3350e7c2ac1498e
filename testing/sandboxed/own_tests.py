"""A package's own tests, inside the sandbox: pytest on a folder that nobody here wrote.

The command's arguments: the folder of the package. Says each test as one line of JSON on standard output.
"""

import os
import sys
from pathlib import Path
from typing import Any

NONE_FOUND = 5


class Teller:
    """A plugin that says how each test ended."""

    def __init__(self, cases: Any) -> None:
        self.cases, self.said = cases, 0

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.cases.say({"begins": _name(nodeid)})

    def pytest_runtest_logreport(self, report: Any) -> None:
        """A test ends with its call, or earlier when its setup failed or skipped it; a broken teardown fails it too."""
        over = report.when == "call" or (report.when == "setup" and report.outcome != "passed")
        if not over and not (report.when == "teardown" and report.failed):
            return
        outcome = {"skipped": "not offered"}.get(report.outcome, report.outcome)
        name = _name(report.nodeid) + (" (teardown)" if report.when == "teardown" else "")
        self.tell(name, outcome, report.duration, _why(report))

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.tell(f"{report.nodeid or 'tests'} can be read", "failed", 0.0, _last_line(report.longreprtext))

    def tell(self, name: str, outcome: str, seconds: float, message: str = "") -> None:
        self.said += 1
        self.cases.ended(name, outcome, seconds, message)


def main(folder: str) -> int:
    """The exit code: 0 when pytest ran to its end, whatever it found."""
    from testing.sandboxed.saying import Cases, keep_stdout

    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    import pytest

    cases = Cases(keep_stdout())
    teller = Teller(cases)
    words = [
        "-p",
        "no:cacheprovider",
        "-p",
        "no:faulthandler",
        "-c",
        os.devnull,
        "--rootdir",
        folder,
        "--confcutdir",
        folder,
    ]
    words += ["--import-mode=importlib", "-q", "--tb=short", "--basetemp", str(Path.cwd() / "tmp")]
    code = pytest.main([*words, str(Path(folder) / "tests")], plugins=[teller])
    if code == NONE_FOUND:
        teller.tell("tests/ holds tests", "failed", 0.0, "pytest found none in it.")
    cases.say({"ended": True})
    return 0 if code in (0, 1, 2, NONE_FOUND) else int(code)


def _name(nodeid: str) -> str:
    return nodeid.removeprefix("tests/")[-200:]


def _why(report: Any) -> str:
    if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
        return str(report.longrepr[2])
    return _last_line(report.longreprtext) if report.failed else ""


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.startswith("E ")]
    return "; ".join(line.removeprefix("E").strip() for line in lines[:3]) or text.strip()[-300:]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
