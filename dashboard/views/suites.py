"""Suites: what runs, what waits, what ran; one run as it happens; start, cancel, again."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard import runs as telling
from dashboard.answers import explained
from dashboard.forms.suites import RunFilter
from dashboard.people import person
from dashboard.views.promotions import named
from releases.rights import RUN, may, require
from testing import actions, queries
from testing.models import Run
from testing.suites import SUITES

PER_PAGE = 25


@require_safe
def suites(request: HttpRequest) -> HttpResponse:
    """What is open, and every run with filters; `?part=open` answers the open ones alone."""
    opened = [telling.row(run) for run in queries.filtered(state="open").order_by("id")[:100]]
    if request.GET.get("part") == "open":
        return render(request, "suites/_open.html", {"opened": opened})
    form = RunFilter(request.GET)
    wanted = form.cleaned_data if form.is_valid() else {}
    page = Paginator(queries.filtered(**wanted), PER_PAGE).get_page(request.GET.get("page"))
    context = {"form": form, "page": page, "rows": [telling.row(run) for run in page], "opened": opened}
    context["active"] = any(wanted.values())
    return render(request, "suites/page.html", context, status=200 if form.is_valid() else 400)


@require_safe
def run(request: HttpRequest, pk: int) -> HttpResponse:
    """One run: cases, figures, charts, log; `?part=now` answers what changes while it runs."""
    found = get_object_or_404(queries.every_run(), pk=pk)
    context = {"run": found, **_standing(request, found)}
    if request.GET.get("part") == "now":
        # 286 tells the page that nothing will change any more.
        return render(request, "run/_now.html", context, status=200 if found.is_open else 286)
    return render(request, "run/page.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@explained
def suite_start(request: HttpRequest, name: str) -> HttpResponse:
    """Start one suite on one package in one environment; first it is said what that means."""
    require(request.user, RUN)
    package, environment = named(request, name)
    kind = (request.POST or request.GET).get("kind", "")
    if request.method == "POST":
        return redirect(actions.start(actor=person(request), package=package, environment=environment, kind=kind))
    suite = SUITES.get(kind)
    context = {"package": package, "environment": environment, "kind": kind, "suite": suite}
    return render(request, "suites/start.html", context, status=200 if suite else 404)


@require_POST
@explained
def run_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop a run."""
    found = get_object_or_404(queries.every_run(), pk=pk)
    actions.cancel(actor=person(request), run=found)
    messages.success(request, f"Run {pk} stops.")
    return redirect(found)


@require_POST
@explained
def run_again(request: HttpRequest, pk: int) -> HttpResponse:
    """Start the same suite again."""
    found = get_object_or_404(queries.every_run(), pk=pk)
    return redirect(actions.again(actor=person(request), run=found))


def _standing(request: HttpRequest, found: Run) -> dict[str, Any]:
    cases = list(queries.cases(found))
    return {
        "label": telling.label(found.kind),
        "by": telling.who(found),
        "cases": telling.steps(cases),
        "counts": telling.counts(cases),
        "strip": telling.strip(found),
        "progress": telling.progress(found, len(cases)) if found.is_open else None,
        "elapsed": telling.elapsed(found),
        "charts": telling.charts(found),
        "may_run": may(request.user, RUN),
    }
