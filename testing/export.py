"""A run as other tools read it: JUnit XML."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree as xml

from testing.models import Case, Run


def junit(run: Run, cases: Iterable[Case]) -> bytes:
    """Return one testsuite; a run without a verdict holds an error of its own, so that no CI takes it for green."""
    found = list(cases)
    suite = xml.Element("testsuite", name=f"{run.kind} of {run.package} in {run.environment.name}")
    for case in found:
        suite.append(_case(run, case))
    outcomes = [case.outcome for case in found]
    errors = outcomes.count(Case.Outcome.ERRORED)
    if run.state not in (Run.State.PASSED, Run.State.FAILED) and not errors:
        errors += 1
        told = xml.SubElement(suite, "testcase", name=f"the run {run.state}", classname=run.kind, time="0")
        xml.SubElement(told, "error", message=clean(run.reason))
    suite.set("tests", str(len(suite.findall("testcase"))))
    suite.set("failures", str(outcomes.count(Case.Outcome.FAILED)))
    suite.set("errors", str(errors))
    suite.set("skipped", str(outcomes.count(Case.Outcome.ABSENT)))
    suite.set("time", f"{run.seconds or 0:.3f}")
    if run.started_at:
        suite.set("timestamp", run.started_at.isoformat(timespec="seconds"))
    _properties(suite, run)
    return bytes(xml.tostring(suite, encoding="utf-8", xml_declaration=True))


def _case(run: Run, case: Case) -> xml.Element:
    element = xml.Element("testcase", name=clean(case.name), classname=run.kind, time=f"{case.seconds:.3f}")
    tags = {Case.Outcome.FAILED: "failure", Case.Outcome.ERRORED: "error", Case.Outcome.ABSENT: "skipped"}
    tag = tags.get(Case.Outcome(case.outcome))
    if tag:
        xml.SubElement(element, tag, message=clean(case.message))
    if case.evidence:
        xml.SubElement(element, "system-out").text = clean(case.evidence)
    return element


def _properties(suite: xml.Element, run: Run) -> None:
    told = {"digest": run.digest, "settings": run.settings_digest, "run": str(run.pk), "state": run.state}
    properties = xml.Element("properties")
    for name, value in [*told.items(), *((figure["name"], str(figure["value"])) for figure in run.figures)]:
        xml.SubElement(properties, "property", name=name, value=value)
    suite.insert(0, properties)


def clean(text: str) -> str:
    """Leave out what XML 1.0 cannot hold (section 2.2, Characters)."""
    return "".join(
        char
        for char in text
        if char in "\t\n\r" or "\x20" <= char <= "\ud7ff" or ("\ue000" <= char != "\ufffe" and char != "\uffff")
    )
