"""Unit: the package alone, in the sandbox: what its signature promises, then its own tests."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings as django

from releases import sandbox
from releases.sandbox import program as ours
from releases.sandbox.tiers import CODE
from serving.artefacts import folder_of
from serving.runtimes.trusted import TRUSTED_TYPES
from testing import sandboxed
from testing.suites import listening
from testing.suites.base import ERRORED, FAILED, Found, LeavesNothing, Report, Subject
from testing.suites.settings import number

FOLDER = "suite-"  # how the working folders begin; one that a killed worker left is pruned
PROGRAMS = Path(sandboxed.__file__).parent
OWN = "own tests"
MODELS = (".skops",)


@dataclass(frozen=True)
class Settings:
    """What can be set for each model."""

    draws: int = number(200, 1, 5000, "", "inputs that are drawn from the signature")
    tolerance: float = number(1e-4, 0.0, 1.0, "", "how far two answers may be apart, as a share of their size")
    own_seconds: int = number(120, 1, 600, "s", "time for the package's own tests")


class Unit(LeavesNothing):
    """The contract cases run where an upload is examined; the package's own tests only where all is stopped."""

    kind, label = "unit", "Unit"
    summary = "The package alone, in the sandbox: its signature's promises, and its own tests."
    queue, seconds, expected = "long", 900.0, 10
    Settings = Settings

    def run(self, subject: Subject, report: Report) -> None:
        package = subject.package
        folder, artefact = folder_of(django.PACKAGES, package.digest), folder_of(django.ARTEFACTS, package.artefact)
        _contract(subject, report, folder, artefact)
        if (folder / "tests").is_dir():
            _own(subject, report, folder)
        else:
            report.not_offered(OWN, "The package brings no tests/.")


def _contract(subject: Subject, report: Report, folder: Path, artefact: Path) -> None:
    package, settings = subject.package, subject.settings
    model = next((entry["path"] for entry in package.manifest if Path(entry["path"]).suffix in MODELS), "")
    job = {
        "package": str(folder),
        "artefact": str(artefact),
        "artefact_digest": package.artefact,
        "model": model,
        "trusted": list(TRUSTED_TYPES),
        "example": package.example,
        "answers": package.answers,
        "draws": settings.draws,
        "tolerance": settings.tolerance,
    }
    limits = sandbox.Limits(seconds=400, memory=6144 * sandbox.MIB)
    ended = run_program("contract.py", [], job, [folder, artefact], report, limits, needs="intake")
    report.sandbox = ended.tier


def _own(subject: Subject, report: Report, folder: Path) -> None:
    limits = sandbox.Limits(seconds=subject.settings.own_seconds, memory=4096 * sandbox.MIB, disk=256 * sandbox.MIB)
    try:
        ended = run_program("own_tests.py", [str(folder)], {}, [folder], report, limits, needs="tests")
        report.sandbox = ended.tier
    except sandbox.SandboxUnavailable as error:
        report.add(Found(OWN, ERRORED, message=str(error)))


def run_program(
    program: str,
    arguments: list[str],
    job: dict[str, Any],
    read: list[Path],
    report: Report,
    limits: sandbox.Limits,
    *,
    needs: str,
) -> sandbox.Result:
    """Run one of our programs in the sandbox and take its cases over; raises SandboxUnavailable, Stop."""
    work = Path(tempfile.mkdtemp(prefix=FOLDER, dir=django.VAR)).resolve()
    try:
        (work / "job.json").write_text(json.dumps(job), "utf-8")
        command = ours.command(PROGRAMS / program, arguments, [*CODE, PROGRAMS.parent])
        listener = listening.Listener(report)
        ended = sandbox.run(
            command,
            read=[*read, PROGRAMS.parent],
            write=work,
            limits=limits,
            needs=needs,
            on_line=listener.line,
        )
    finally:
        shutil.rmtree(work, ignore_errors=True)
    listener.stop_if_asked()
    if not listener.complete or ended.returncode or ended.stopped:
        report.add(Found(listener.at_work or program, FAILED, ended.seconds, listening.how_it_ended(ended)))
    for line in ended.stderr.splitlines()[-50:]:
        report.say(line)
    return ended
