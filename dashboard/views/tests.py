"""What a model must show: its risk, how its suites are set, what each environment asks, figures over packages."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard import rules, runs
from dashboard.answers import explained
from dashboard.charts import measuring
from dashboard.forms.refusals import attempt
from dashboard.forms.suites import RiskForm, SuiteForm
from dashboard.people import person
from releases.actions import gates as verbs
from releases.models import Environment, MLModel
from releases.queries.wanted import settings_for
from releases.rights import GATES, may, require
from testing import actions, queries
from testing.models import Run
from testing.suites import SUITES

PACKAGES = 10


@require_safe
def tests(request: HttpRequest, name: str) -> HttpResponse:
    """The whole page; `?kind=` and `?environment=` choose the figures."""
    model = get_object_or_404(MLModel, name=name)
    suites = [
        {"kind": kind, "label": suite.label, "summary": suite.summary, "changed": settings_for(model, kind)[0]}
        for kind, suite in SUITES.items()
    ]
    context = {
        "model": model,
        "risk": RiskForm(initial={"risk": model.risk}),
        "may_edit": may(request.user, GATES),
        "asked": [rules.of_model(model, environment) for environment in Environment.objects.all()],
        "suites": suites,
        "cases": model.plan_cases.count(),
        **_figures(request, model),
    }
    return render(request, "tests/page.html", context)


@require_POST
@explained
def tests_risk(request: HttpRequest, name: str) -> HttpResponse:
    """Set the risk."""
    model = get_object_or_404(MLModel, name=name)
    verbs.set_risk(actor=person(request), model=model, risk=request.POST.get("risk", ""))
    messages.success(request, f"{model.name} is of {model.get_risk_display().lower()} risk now.")
    return redirect("tests", name=name)


@require_http_methods(["GET", "HEAD", "POST"])
@explained
def tests_suite(request: HttpRequest, name: str, kind: str) -> HttpResponse:
    """How one suite runs for the model."""
    require(request.user, GATES)
    model = get_object_or_404(MLModel, name=name)
    if kind not in SUITES:
        raise Http404
    form = SuiteForm(kind, settings_for(model, kind)[0], request.POST or None)
    if request.method == "POST":
        _, status = attempt(
            form, lambda: actions.set_up(actor=person(request), model=model, kind=kind, values=form.values())
        )
        if status == 200:
            words = f"{SUITES[kind].label} is set. What it showed with other settings counts no more."
            messages.success(request, words)
            return redirect("tests", name=name)
    else:
        status = 200
    context = {"model": model, "suite": SUITES[kind], "form": form}
    return render(request, "tests/suite.html", context, status=status)


def _figures(request: HttpRequest, model: MLModel) -> dict[str, Any]:
    """Each figure of one suite in one environment over the last packages."""
    runs_with = Run.objects.filter(package__model=model).exclude(figures=[])
    places = list(runs_with.order_by().values_list("kind", "environment__name").distinct())
    choices = sorted(places, key=lambda place: (list(SUITES).index(place[0]) if place[0] in SUITES else 99, place[1]))
    wanted = (request.GET.get("kind", ""), request.GET.get("environment", ""))
    chosen = wanted if wanted in choices else (choices[0] if choices else None)
    if chosen is None:
        return {"choices": []}
    units = {figure["name"]: figure["unit"] for run in runs_with.filter(kind=chosen[0])[:20] for figure in run.figures}
    found = queries.history(model, *chosen, PACKAGES)
    charts = [measuring.history(figure, units.get(figure, ""), points) for figure, points in found.items()]
    named = [{"kind": kind, "environment": place, "label": f"{runs.label(kind)} in {place}"} for kind, place in choices]
    return {"choices": named, "chosen": chosen, "charts": charts}
