"""What a canary would find, and when: a part of the promote page, asked again while its steps are written."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from dashboard import figures, weeks
from dashboard.answers import explained
from releases.errors import Refused
from releases.models import Environment, MLModel
from releases.queries import planning
from releases.queries import quiet as windows

# A canary that finds nothing smaller than this many times the errors of today is hardly one.
BLUNT = 20


@require_safe
@explained
def quiet(request: HttpRequest, name: str) -> HttpResponse:
    """Requests a minute by hour of the week, and the window in which taking the model off would hit the fewest."""
    model = get_object_or_404(MLModel, name=name)
    environment = get_object_or_404(Environment, name=request.GET.get("environment", ""))
    week, window = windows.proposed(model, environment)
    context = {"model": model, "environment": environment, "chart": weeks.shown(week, window), "window": window}
    return render(request, "promote/quiet.html", context)


@require_safe
@explained
def plan(request: HttpRequest, name: str) -> HttpResponse:
    """Answer the fragment for these steps; what cannot be read is said there, too."""
    model = get_object_or_404(MLModel, name=name)
    environment = get_object_or_404(Environment, name=request.GET.get("environment", ""))
    try:
        text = request.GET.get("steps", "").strip()
        found = planning.outlook(model, environment, planning.parsed(text) if text else None)
    except Refused as error:
        return render(request, "promote/_plan.html", {"wrong": error.message})
    context = {
        "plan": found,
        "rate": figures.rate(found.rate),
        "base": figures.percent(found.base),
        "least": figures.percent(found.least),
        "blunt": found.least is not None and found.least > BLUNT * found.base,
        "assumed": found.base == planning.LEAST_BASE,
        "length": figures.took(sum(seconds for _, seconds in found.steps)),
    }
    return render(request, "promote/_plan.html", context)
