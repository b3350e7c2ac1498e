"""Runs as pages and REST show them: lists, cases, the newest of each kind, and figures over packages."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from releases.models import MLModel, Package
from releases.models.packages import HEAVY
from testing.models import Case, Run
from testing.suites import SUITES


def every_run() -> QuerySet[Run]:
    """Return every run with its names, newest first, without the heavy columns of packages."""
    found = Run.objects.select_related("package__model", "environment", "started_by", "cancelled_by")
    return found.defer(*(f"package__{name}" for name in HEAVY))


def filtered(model: str = "", environment: str = "", kind: str = "", state: str = "") -> QuerySet[Run]:
    """Return runs by the names of model and environment, by kind and state (`open`: those that have not ended)."""
    wanted: dict[str, Any] = {"package__model__name": model, "environment__name": environment, "kind": kind}
    found = every_run().filter(**{name: value for name, value in wanted.items() if value}).defer("log", "charts")
    if state == "open":
        return found.filter(state__in=Run.OPEN)
    return found.filter(state=state) if state else found


def cases(run: Run) -> QuerySet[Case]:
    """Return the cases of the run's last attempt; an earlier one ended with its worker."""
    return run.cases.filter(attempt=run.attempts)


def newest(package: Package) -> dict[str, list[Run]]:
    """Return, by kind in the order of the suites, the newest run of a package in each environment."""
    found: dict[str, dict[int, Run]] = {kind: {} for kind in SUITES}
    for run in every_run().filter(package=package).defer("log", "charts")[:200]:
        found.get(run.kind, {}).setdefault(run.environment_id, run)
    return {kind: sorted(runs.values(), key=lambda run: run.environment.position) for kind, runs in found.items()}


def opened(package: Package) -> dict[tuple[str, str], Run]:
    """Return the runs of a package that have not ended, by kind and name of the environment."""
    runs = every_run().filter(package=package, state__in=Run.OPEN)
    return {(run.kind, run.environment.name): run for run in runs}


def history(model: MLModel, kind: str, environment: str, packages: int = 10) -> dict[str, list[tuple[int, float]]]:
    """Return each figure over the last packages: {name: [(package number, value), …]}, the newest run of each."""
    runs = Run.objects.filter(package__model=model, kind=kind, environment__name=environment).exclude(figures=[])
    found: dict[int, Run] = {}
    for run in runs.select_related("package").only("figures", "package__number")[: packages * 10]:
        found.setdefault(run.package.number, run)
    figures: dict[str, list[tuple[int, float]]] = {}
    for number in sorted(found)[-packages:]:
        for figure in found[number].figures:
            figures.setdefault(figure["name"], []).append((number, figure["value"]))
    return figures
