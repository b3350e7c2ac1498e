"""Shadow a package beside the live one; end it; and say when answers of a model's packages agree."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.answers import complain, explained
from dashboard.forms.shadows import ComparingForm, ShadowForm
from dashboard.people import person
from dashboard.shadowed import rule_words
from dashboard.views.promotions import named, posted, status
from releases.actions import comparing
from releases.actions import shadows as verbs
from releases.agreement import rule_of
from releases.errors import Conflict, Refused
from releases.models import MLModel, Release, Route
from releases.queries import releases as queries
from releases.rights import DEPLOY, TRAFFIC, require

page = require_http_methods(["GET", "HEAD", "POST"])


@page
@explained
def start(request: HttpRequest, name: str) -> HttpResponse:
    """What a shadow would do, with its form; POST starts it."""
    package, environment = named(request, name)
    require(request.user, DEPLOY, environment)
    recorded = "recorded" if request.GET.get("kind") == "replay" else "live"
    form = ShadowForm(posted(request), initial=ShadowForm.of(package) | {"recorded": recorded})
    if request.method == "POST" and form.is_valid():
        try:
            return redirect(verbs.start(actor=person(request), package=package, environment=environment, **form.wanted))
        except (Refused, Conflict) as error:
            complain(form, error)
    switch = queries.switch(package, environment)
    context = {"form": form, "switch": switch, "rule": rule_words(rule_of(package.model.agreement))}
    return render(request, "shadow/start.html", context, status=status(form))


@require_POST
@explained
def end(request: HttpRequest, pk: int) -> HttpResponse:
    """End a shadow with what it has shown by now."""
    release = get_object_or_404(Release.objects.select_related("model", "environment", "package", "replaces"), pk=pk)
    verbs.end(actor=person(request), release=release)
    messages.success(request, "The comparison has ended; what it has shown counts for the gates.")
    return redirect(release)


@page
@explained
def settings(request: HttpRequest, name: str) -> HttpResponse:
    """How a model's packages share traffic and are compared: look, and change."""
    require(request.user, TRAFFIC)
    model = get_object_or_404(MLModel, name=name)
    form = ComparingForm(posted(request), initial=ComparingForm.of(model), inputs=_inputs(model))
    if request.method == "POST" and form.is_valid():
        try:
            comparing.compare(actor=person(request), model=model, **form.wanted)
            messages.success(request, f"Saved. The gateways follow {model.name} within a second.")
            return redirect(model)
        except (Refused, Conflict) as error:
            complain(form, error)
    return render(request, "shadow/settings.html", {"form": form, "model": model}, status=status(form))


def _inputs(model: MLModel) -> list[str]:
    """The inputs that every live package has: only such a one can decide who answers."""
    routes = Route.objects.filter(model=model).exclude(stable=None).select_related("stable")
    named = [{field.get("name", "") for field in route.stable.signature["inputs"]} for route in routes if route.stable]
    common = set.intersection(*named) if named else set()
    return sorted({*common, model.sticky} - {""})
