"""Releases: the list with its filters, and one release as it happens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from dashboard import badges, conditions, edged, judged, shadowed, steps, tellings, weeks
from dashboard.cells import onward, parts, what
from dashboard.forms.releases import ReleaseFilter
from dashboard.measured import charts, compared
from releases import gates
from releases.actions import steering
from releases.gates import Gate
from releases.lifecycle import legal
from releases.models import Override, Release
from releases.queries import planning, quiet, traffic
from releases.queries import releases as queries
from releases.rights import DEPLOY, OVERRIDE, may
from testing.queries import opened

PER_PAGE = 25
BEFORE, AFTER = timedelta(minutes=5), timedelta(minutes=10)
RELATED = ("model", "environment", "package", "replaces", "created_by", "rolls_back__package")


@require_safe
def releases(request: HttpRequest) -> HttpResponse:
    """All releases, newest first."""
    form = ReleaseFilter(request.GET)
    wanted = form.cleaned_data if form.is_valid() else {}
    page = Paginator(queries.filtered(**wanted), PER_PAGE).get_page(request.GET.get("page"))
    rows = [tellings.row(release) for release in page]
    context = {"form": form, "page": page, "rows": rows, "active": any(wanted.values())}
    return render(request, "releases/page.html", context, status=200 if form.is_valid() else 400)


@require_safe
def release(request: HttpRequest, pk: int) -> HttpResponse:
    """Where it stands, why, what may be done, what happened, and the traffic around it; `?part=` answers a fragment."""
    found = get_object_or_404(Release.objects.select_related(*RELATED), pk=pk)
    part = request.GET.get("part", "")
    if part == "charts":
        return render(request, "release/_charts.html", {"release": found, **_charts(request, found)})
    if part == "history":
        return render(request, "release/_history.html", {"release": found, **_history(found)})
    context = {"release": found, **_standing(request, found)}
    if part == "standing":
        return render(request, "release/_standing.html", context)
    return render(request, "release/page.html", context | _charts(request, found) | _history(found))


def _standing(request: HttpRequest, found: Release) -> dict[str, Any]:
    events = list(queries.events(found))
    at_devices = found.strategy == "edge"
    return {
        "part_title": "Devices now" if at_devices else "Traffic now",
        "what": what(found),
        "state": tellings.state(found),
        "steps": steps.release(found, events, found.environment.watch_seconds),
        "parts": _parts(found),
        "adoption": tellings.adoption(queries.adoption(found)) if found.is_unfinished and not at_devices else "",
        "may_deploy": may(request.user, DEPLOY, found.environment),
        "may_abort": "abort" in legal(found.state) and not found.is_rollback,
        "may_roll_back": queries.is_current(found),
        "end_tone": "bad" if found.state == "failed" else "warn",
        "onward": _onward(request, found),
        "next": queries.follows(found),
        "badges": badges.of([found.package])[found.package.pk] if found.package else [],
        **_gates(request, found),
        **_judge(found),
        **shadowed.standing(found, request.user),
    }


def _parts(found: Release) -> list[dict[str, Any]]:
    if not found.is_unfinished or found.strategy == "shadow":
        return []
    return edged.shares(found) if found.strategy == "edge" else parts(found)


def _judge(found: Release) -> dict[str, Any]:
    """What the judge found, and what can be done by hand beside stopping it."""
    written = planning.written(found.plan.get("steps", ()))
    return {"judge": judged.shown(found), "steering": steering.legal(found), "written": written}


def _gates(request: HttpRequest, found: Release) -> dict[str, Any]:
    """What it must have shown, while it waits for that; and who overrode it, for good."""
    override = Override.objects.select_related("asked_by", "consented_by").filter(release=found).first()
    context: dict[str, Any] = {"override": override}
    if override and not override.consented_by and found.is_unfinished:
        is_second = override.asked_by_id != request.user.pk
        context["may_consent"] = is_second and may(request.user, DEPLOY, found.environment)
    if found.state != Release.State.WAITING or found.package is None or found.is_rollback:
        held = gates.held_by_a_freeze(found) if found.is_unfinished else ""
        context["may_override_freeze"] = bool(held) and may(request.user, OVERRIDE)
        return context
    shown = gates.check(found.package, found.environment, found)
    left = sum(not gate.met for gate in shown)
    context["gates"] = conditions.rows(shown, opened(found.package))
    context["gates_note"] = f"{left} of {len(shown)} not met yet" if left else "All met"
    can = any(not gate.met and gate.can_be_overridden for gate in shown)
    context["may_override"] = can and _may_ask(override, shown) and may(request.user, OVERRIDE)
    return context


def _may_ask(override: Override | None, shown: list[Gate]) -> bool:
    """An override can be asked for once, and again for what it does not name yet."""
    unmet = {gate.name for gate in shown if not gate.met and gate.can_be_overridden}
    return override is None or not unmet <= set(override.gates)


def _onward(request: HttpRequest, found: Release) -> dict[str, str]:
    """Where the package goes next, once it is live here and was not brought back by a rollback."""
    if found.state != "live" or found.retired_at or found.is_rollback or found.package is None:
        return {}
    return onward(request.user, found.package)


def _history(found: Release) -> dict[str, Any]:
    events = [tellings.event(each, found) for each in queries.events(found)]
    return {"events": events, "about": tellings.about(found)}


def _charts(request: HttpRequest, found: Release) -> dict[str, Any]:
    """The last 15 minutes while it is fresh; afterwards the time around it."""
    if found.strategy == "edge":
        return {"facts": edged.facts(found), "chart_live": found.is_unfinished}
    now = datetime.now(UTC)
    start, end = found.created_at - BEFORE, min(now, (found.ended_at or now) + AFTER)
    if found.is_unfinished or start >= now - traffic.LIVE_WINDOW:
        start, end = now - traffic.LIVE_WINDOW, now
    series = traffic.series(found.environment.name, found.model.name, start, end)
    shown = charts(series, _roles(found), tellings.marks(found))
    facts = tellings.facts(found) + compared(series, found.package, found.replaces)
    shown["evidence"] = judged.chart(found)
    if found.strategy == "recreate":
        shown["week"] = weeks.shown(*quiet.proposed(found.model, found.environment))
    answers = shadowed.tables(found, request.user)
    return {"charts": shown, "facts": facts, "answers": answers, "chart_live": end >= now - timedelta(seconds=1)}


def _roles(found: Release) -> dict[int, str]:
    """The candidate is blue here too; a rollback returns to the stable one, and what it leaves was the candidate."""
    arms = ("candidate", "stable") if found.is_rollback else ("stable", "candidate")
    pairs = zip((found.replaces, found.package), arms, strict=True)
    return {package.number: arm for package, arm in pairs if package}
