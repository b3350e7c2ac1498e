"""The tables of the test floor: runs of suites, and user acceptance."""

from testing.models.runs import Case, Run
from testing.models.uat import Attachment, PlanCase, Sheet, SheetCase

__all__ = ["Attachment", "Case", "PlanCase", "Run", "Sheet", "SheetCase"]
