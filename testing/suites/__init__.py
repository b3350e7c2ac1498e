"""The kinds of suite, one file each, and the one registry that names them."""

from testing.suites.base import Suite
from testing.suites.integration import Integration
from testing.suites.load import Load
from testing.suites.rehearsal import Rehearsal
from testing.suites.smoke import Smoke
from testing.suites.stress import Stress
from testing.suites.unit import Unit

SUITES: dict[str, Suite] = {
    suite.kind: suite for suite in (Unit(), Integration(), Smoke(), Load(), Stress(), Rehearsal())
}

__all__ = ["SUITES"]
