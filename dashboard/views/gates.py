"""What an environment asks: by risk, and for models with a rule of their own."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard import rules
from dashboard.answers import explained
from dashboard.forms.gates import OwnRuleForm, RuleForm
from dashboard.forms.refusals import attempt
from dashboard.people import person
from releases.actions import gates as verbs
from releases.models import Environment, MLModel, Risk, Rule
from releases.rights import GATES, may, require


@require_safe
def gates(request: HttpRequest, name: str) -> HttpResponse:
    """Every rule of the environment."""
    environment = get_object_or_404(Environment, name=name)
    by_risk = {rule.risk: rule for rule in environment.rules.filter(model=None)}
    risks = [
        {"risk": risk, "label": label, "words": rules.words(by_risk.get(risk), environment)}
        for risk, label in Risk.choices
    ]
    own = [
        {"model": rule.model, "words": rules.words(rule, environment)}
        for rule in environment.rules.exclude(model=None).select_related("model")
    ]
    context = {"environment": environment, "risks": risks, "own": own, "may_edit": may(request.user, GATES)}
    return render(request, "gates/page.html", context | {"form": OwnRuleForm()})


@require_http_methods(["GET", "HEAD", "POST"])
@explained
def gates_edit(request: HttpRequest, name: str) -> HttpResponse:
    """Change the rule of a risk (`?risk=`) or of one model (`?model=`)."""
    require(request.user, GATES)
    environment = get_object_or_404(Environment, name=name)
    risk, model = request.GET.get("risk", ""), None
    if "model" in request.GET:
        risk, model = "", get_object_or_404(MLModel, name=request.GET["model"])
    rule = Rule.objects.filter(environment=environment, risk=risk, model=model).first()
    start = rule or (
        Rule.objects.filter(environment=environment, risk=model.risk, model=None).first() if model else None
    )
    form, status = RuleForm(start, request.POST or None), 200
    if request.method == "POST":
        given: dict[str, Any] = {"environment": environment, "risk": risk, "model": model}
        _, status = attempt(form, lambda: verbs.set_rule(actor=person(request), **given, **form.values))
        if status == 200:
            messages.success(request, f"{environment.name} asks so from now on. Releases that wait look again.")
            return redirect("gates", name=name)
    title = f"What {name} asks of {model.name if model else f'{risk} risk'}"
    context = {"environment": environment, "model": model, "rule": rule, "form": form, "title": title}
    return render(request, "gates/edit.html", context, status=status)


@require_POST
@explained
def gates_drop(request: HttpRequest, name: str) -> HttpResponse:
    """Take a model's own rule away."""
    environment = get_object_or_404(Environment, name=name)
    model = get_object_or_404(MLModel, name=request.POST.get("model", ""))
    verbs.drop_rule(actor=person(request), environment=environment, model=model)
    messages.success(request, f"{model.name} is asked what its risk asks again.")
    return redirect(reverse("gates", args=[name]))
