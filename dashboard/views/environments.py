"""Environments: the list in order, one environment, what was live when, making, changing, ordering, deleting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard import endpoints, measured
from dashboard.addresses import gateway_for
from dashboard.answers import explained
from dashboard.forms.environments import MomentForm, NewForm, SettingsForm
from dashboard.forms.refusals import attempt
from dashboard.people import person
from releases import gateways
from releases.actions import copies
from releases.actions import environments as actions
from releases.models import Environment
from releases.queries import environments as queries
from releases.queries import refusals
from releases.rights import ENVIRONMENTS, require

TABLES_PER_PAGE = 15
SHARED = "environments/_rows.html"


@require_safe
def environments(request: HttpRequest) -> HttpResponse:
    """The list; with `?part=rows` the table alone, which the page asks for every few seconds."""
    rows = queries.overview(gateways.alive())
    context = {"rows": [(row, endpoints.public(row.environment.name)) for row in rows]}
    part = request.GET.get("part") == "rows"
    return render(request, SHARED if part else "environments/page.html", context)


@require_safe
def environment(request: HttpRequest, name: str) -> HttpResponse:
    """One environment; with `?at=` also what was live at that moment."""
    found = get_object_or_404(Environment, name=name)
    part = request.GET.get("part") == "now"
    context = {"environment": found, **_now(found)}
    if part:
        return render(request, "environment/_now.html", context)
    return render(request, "environment/page.html", context | _settled(found) | _past(request, found))


@explained
@require_http_methods(["GET", "HEAD", "POST"])
def environment_new(request: HttpRequest) -> HttpResponse:
    """Make one, empty or as a copy (`?copy_of=staging`)."""
    require(request.user, ENVIRONMENTS)
    source = Environment.objects.filter(name=request.GET.get("copy_of", "")).first()
    form = NewForm(request.POST or None, initial=_beginning(source), source=source)
    made, status = None, 200
    if request.method == "POST":
        made, status = attempt(form, lambda: actions.create(actor=person(request), **form.asked, **form.settings))
    if made:
        _tell(request, made, source if form.cleaned_data.get("packages") else None)
        return redirect(made)
    return render(request, "environment/new.html", {"form": form, "source": source}, status=status)


@explained
@require_http_methods(["GET", "HEAD", "POST"])
def environment_edit(request: HttpRequest, name: str) -> HttpResponse:
    """Change the settings."""
    require(request.user, ENVIRONMENTS)
    found = get_object_or_404(Environment, name=name)
    form = SettingsForm(request.POST or None, initial=SettingsForm.of(found))
    changed, status = None, 200
    if request.method == "POST":
        changed, status = attempt(
            form, lambda: actions.change(actor=person(request), environment=found, **form.settings)
        )
    if changed:
        messages.success(request, f"The settings of {found.name} are saved.")
        return redirect(found)
    return render(request, "environment/edit.html", {"form": form, "environment": found}, status=status)


@explained
@require_POST
def environment_move(request: HttpRequest, name: str) -> HttpResponse:
    """Move one a place up or down (`steps` is -1 or 1)."""
    found = get_object_or_404(Environment, name=name)
    names = list(Environment.objects.values_list("name", flat=True))
    steps = -1 if request.POST.get("steps") == "-1" else 1
    actions.order(actor=person(request), names=queries.moved(names, found.name, steps))
    return redirect("environments")


@explained
@require_http_methods(["GET", "HEAD", "POST"])
def environment_delete(request: HttpRequest, name: str) -> HttpResponse:
    """Ask, then delete; one with a history stays, and the page says so."""
    require(request.user, ENVIRONMENTS)
    found = get_object_or_404(Environment, name=name)
    if request.method == "POST":
        actions.delete(actor=person(request), environment=found)
        messages.success(request, f"{name} is deleted. Its addresses answer 404 from now on.")
        return redirect("environments")
    context = {"environment": found, "history": queries.has_history(found), "keys": _keys(found)}
    return render(request, "environment/delete.html", context)


def _beginning(source: Environment | None) -> dict[str, Any]:
    """A new environment starts from the defaults, a copy from the settings of the other; both before the last one."""
    given, last = source or Environment(), Environment.objects.last()
    place = {"before": last.name if last else ""}
    return SettingsForm.of(given) | place | {"copy_of": source.name if source else "", "packages": True}


def _tell(request: HttpRequest, made: Environment, source: Environment | None) -> None:
    """Say what is there, and start what shall be live there as in the source."""
    if source is None:
        messages.success(request, f"{made.name} is there. The gateways load its empty table now.")
        return
    brought = copies.bring(actor=person(request), source=source, target=made)
    count = len(brought.releases)
    words = "1 release brings" if count == 1 else f"{count} releases bring"
    messages.success(request, f"{made.name} is there. {words} what is live in {source.name}.")
    for refused in brought.refused:
        messages.warning(request, refused)


def _now(found: Environment) -> dict[str, Any]:
    beats = gateways.alive()
    return {
        "live": queries.live(found),
        "processes": queries.processes(found, beats),
        "adoption": gateways.adoption(found.name, found.generation, beats),
        "expected": gateway_for(settings.GATEWAYS, found.name),
    }


def _settled(found: Environment) -> dict[str, Any]:
    others = list(Environment.objects.order_by("position"))
    before = [each for each in others if each.position < found.position]
    return {
        "address": endpoints.public(found.name),
        "gates": queries.gate_words(found, before[-1] if before else None),
        "strategy": queries.STRATEGY_WORDS.get(found.default_strategy, found.default_strategy),
        "twin": next((each for each in reversed(others) if each != found), None),
        "keys": _keys(found),
        "has_history": queries.has_history(found),
        "turned_away": measured.turned_away(_refusals(found)),
    }


def _refusals(found: Environment) -> refusals.Refusals | None:
    now = datetime.now(UTC)
    return refusals.turned_away(found.name, now - timedelta(hours=24), now)


def _past(request: HttpRequest, found: Environment) -> dict[str, Any]:
    form = MomentForm(request.GET) if request.GET.get("at") else MomentForm()
    at = form.cleaned_data["at"] if form.is_bound and form.is_valid() else None
    table = queries.table_at(found, at) if at else None
    page = Paginator(queries.tables(found), TABLES_PER_PAGE).get_page(request.GET.get("page"))
    return {"moment": form, "at": at, "then": table, "served_then": queries.served(table), "tables": page}


def _keys(found: Environment) -> int:
    return found.keys.filter(revoked_at=None, internal=False).count()
