"""The plan of a model: its cases, a new one (typed, or from a recorded request), changing and removing."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from dashboard import acceptance
from dashboard.answers import explained
from dashboard.forms.playground import InputForm
from dashboard.forms.refusals import attempt
from dashboard.forms.uat import PlanForm, input_form, row_of
from dashboard.people import person
from releases.models import MLModel, Package
from releases.rights import SIGN_OFF, may, require
from serving.contract import Signature
from testing.models import PlanCase
from testing.uat import plans
from testing.uat.expecting import of

both = require_http_methods(["GET", "HEAD", "POST"])


@require_safe
def plan(request: HttpRequest, name: str) -> HttpResponse:
    """Every case of the plan."""
    model = get_object_or_404(MLModel, name=name)
    cases = [
        {"case": case, "inputs": acceptance.inputs(case.row), "expected": of(case).words()}
        for case in model.plan_cases.all()
    ]
    context = {"model": model, "cases": cases, "may_sign": may(request.user, SIGN_OFF), "package": _newest(model)}
    return render(request, "uat/plan.html", context)


@both
@explained
def plan_new(request: HttpRequest, name: str) -> HttpResponse:
    """A new case; `?record=` fills it with a recorded request."""
    require(request.user, SIGN_OFF)
    model = get_object_or_404(MLModel, name=name)
    package = _newest(model)
    if package is None:
        messages.warning(request, "Register a package first: the form of an input is made from its signature.")
        return redirect("plan", name=name)
    records = plans.recorded(model)
    row = next((r.instances()[0] for r in records if r.id == request.GET.get("record")), None)
    form, typed = PlanForm(request.POST or None), _typed(request, package, row or _example(package))
    made, status = None, 200
    if request.method == "POST":
        made, status = attempt(form, lambda: plans.add(actor=person(request), model=model, values=_values(form, typed)))
    if made:
        messages.success(request, f"“{made.title}” is in the plan. Earlier signatures count no more.")
        return redirect("plan", name=name)
    context = {"model": model, "form": form, "typed": typed, "records": records, "title": "A new case"}
    return render(request, "uat/case.html", context, status=status)


@both
@explained
def plan_edit(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Change a case."""
    require(request.user, SIGN_OFF)
    case = get_object_or_404(PlanCase.objects.select_related("model"), pk=pk, model__name=name)
    package = get_object_or_404(Package, model=case.model, number=case.model.last_number)
    initial = {field: getattr(case, field) for field in plans.FIELDS}
    form, typed = PlanForm(request.POST or None, initial=initial), _typed(request, package, case.row)
    changed, status = None, 200
    if request.method == "POST":
        changed, status = attempt(
            form, lambda: plans.change(actor=person(request), case=case, values=_values(form, typed))
        )
    if changed:
        messages.success(request, f"“{changed.title}” is changed. Earlier signatures count no more.")
        return redirect("plan", name=name)
    context = {"model": case.model, "form": form, "typed": typed, "case": case, "title": case.title}
    return render(request, "uat/case.html", context, status=status)


@both
@explained
def plan_remove(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Take a case out of the plan."""
    require(request.user, SIGN_OFF)
    case = get_object_or_404(PlanCase.objects.select_related("model"), pk=pk, model__name=name)
    if request.method == "POST":
        title = case.title
        plans.remove(actor=person(request), case=case)
        messages.success(request, f"“{title}” is out of the plan.")
        return redirect("plan", name=name)
    return render(request, "uat/remove.html", {"model": case.model, "case": case})


def _values(form: PlanForm, typed: InputForm) -> dict[str, Any]:
    return form.cleaned_data | {"row": row_of(typed)}


def _newest(model: MLModel) -> Package | None:
    return model.packages.order_by("-number").first()


def _example(package: Package) -> dict[str, Any] | None:
    return package.example[0] if package.example else None


def _typed(request: HttpRequest, package: Package, row: dict[str, Any] | None) -> InputForm:
    return input_form(Signature.from_json(package.signature), row, request.POST or None)
