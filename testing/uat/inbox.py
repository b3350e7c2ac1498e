"""What waits for a sign-off, and a sheet as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet

from releases import gates
from releases.models import Environment, Package, Release
from releases.queries.wanted import is_live
from testing.models import Sheet
from testing.uat import plans
from testing.uat.expecting import of


@dataclass(frozen=True)
class Item:
    """A package that a release waits with; `sheet` where somebody has begun; `ready` once it answers there."""

    release: Release
    package: Package
    environment: Environment
    sheet: Sheet | None
    ready: bool


def waiting() -> list[Item]:
    """Return what waits for a sign-off, longest first."""
    places = {place.name: place for place in Environment.objects.all()}
    releases = Release.traffic.filter(state=Release.State.WAITING, is_rollback=False, package__isnull=False)
    found = []
    for release in releases.select_related("package__model", "environment").order_by("id"):
        package = release.package
        for gate in gates.unmet(package, release.environment, release) if package else []:
            if package and gate.kind == plans.KIND:
                place = places[gate.where]
                sheet = Sheet.objects.filter(package=package, environment=place, state=Sheet.State.OPEN).first()
                found.append(Item(release, package, place, sheet, is_live(package, place)))
    return found


def sheets() -> QuerySet[Sheet]:
    """Return every sheet with its counts, newest first."""
    found = Sheet.objects.select_related("package__model", "environment", "created_by", "ended_by")
    done = Count("cases", filter=Q(cases__asked_at__isnull=False) & ~Q(cases__mark=""))
    return found.annotate(all_cases=Count("cases"), done_cases=done).order_by("-pk")


def told(sheet: Sheet) -> dict[str, Any]:
    """Return the whole sheet as plain values, as it is exported."""
    return {
        "sheet": sheet.pk,
        "state": sheet.state,
        "model": sheet.package.model.name,
        "package": sheet.package.number,
        "digest": sheet.digest,
        "environment": sheet.environment.name,
        "plan_digest": sheet.plan_digest,
        "opened_at": sheet.created_at.isoformat(),
        "opened_by": sheet.created_by.get_username() if sheet.created_by else None,
        "ended_at": sheet.ended_at.isoformat() if sheet.ended_at else None,
        "ended_by": sheet.ended_by.get_username() if sheet.ended_by else None,
        "statement": sheet.statement,
        "reason": sheet.reason,
        "cases": [_case(case) for case in sheet.cases.prefetch_related("attachments").select_related("marked_by")],
    }


def _case(case: Any) -> dict[str, Any]:
    return {
        "id": case.pk,
        "title": case.title,
        "own": case.is_own,
        "row": case.row,
        "look_at": case.look_at,
        "expectation": of(case).words(),
        "asked_at": case.asked_at.isoformat() if case.asked_at else None,
        "candidate": case.candidate,
        "live": case.live,
        "meets": case.meets,
        "mark": case.mark,
        "note": case.note,
        "marked_at": case.marked_at.isoformat() if case.marked_at else None,
        "marked_by": case.marked_by.get_username() if case.marked_by else None,
        "attachments": [
            {"id": each.pk, "name": each.name, "size": each.size, "sha256": each.digest}
            for each in case.attachments.defer("content")
        ],
    }
