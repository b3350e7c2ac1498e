"""A run for other tools: JUnit XML that every reader takes, and that is green only where the run is."""

from __future__ import annotations

from xml.etree import ElementTree as xml

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testing import runner
from testing.export import clean, junit
from testing.models import Case, Run
from testing.suites.base import Found, Report
from testing.tests.test_pure import Sink


def ended(run: Run, state: str, *cases: tuple[str, str]) -> xml.Element:
    for number, (name, outcome) in enumerate(cases):
        Case.objects.create(
            run=run, attempt=0, number=number, name=name, outcome=outcome, seconds=0.5, message="why\x0b"
        )
    runner.end(run, state, "in a sentence", Report(Sink(), cases=[Found("x")]))
    run.refresh_from_db()
    return xml.fromstring(junit(run, run.cases.all()))


def test_every_case_is_there_with_its_outcome(queued: Run) -> None:
    suite = ended(queued, "failed", ("a", "passed"), ("b", "failed"), ("c", "not offered"), ("d", "errored"))
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["4", "1", "1", "1"]
    assert suite.find("testcase[@name='b']/failure").get("message") == "why"  # type: ignore[union-attr]


@pytest.mark.parametrize("state", ["errored", "invalid", "cancelled", "timed out"])
def test_a_run_without_a_verdict_is_not_green(state: str, queued: Run) -> None:
    suite = ended(queued, state, ("a", "passed"))
    assert suite.get("errors") == "1"
    assert suite.find(f"testcase[@name='the run {state}']/error") is not None


def test_a_run_that_passed_is_green(queued: Run) -> None:
    suite = ended(queued, "passed", ("a", "passed"))
    assert (suite.get("failures"), suite.get("errors")) == ("0", "0")


@given(st.text())
def test_whatever_was_said_is_xml(text: str) -> None:
    element = xml.Element("x")
    element.text = clean(text)
    assert xml.fromstring(xml.tostring(element, encoding="utf-8")) is not None
