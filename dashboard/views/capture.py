"""Which requests of a model are kept in one environment: look, and change."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from dashboard.answers import explained
from dashboard.forms.capture import CaptureForm
from dashboard.forms.refusals import attempt
from dashboard.people import person
from releases.actions import capture as verbs
from releases.models import CaptureSetting, Environment, MLModel, Route
from releases.rights import CAPTURE, require


@explained
@require_http_methods(["GET", "HEAD", "POST"])
def capture(request: HttpRequest, name: str, environment: str) -> HttpResponse:
    """Change the settings; the page says which fields are left out."""
    require(request.user, CAPTURE)
    model = get_object_or_404(MLModel, name=name)
    place = get_object_or_404(Environment, name=environment)
    setting = CaptureSetting.objects.filter(model=model, environment=place).first() or CaptureSetting()
    form = CaptureForm(request.POST or None, initial=CaptureForm.of(setting))
    changed, status = None, 200
    if request.method == "POST":
        changed, status = attempt(
            form, lambda: verbs.configure(actor=person(request), model=model, environment=place, **form.settings)
        )
    if changed:
        words = "are kept from now on" if changed.on else "are not kept"
        messages.success(request, f"Requests of {model.name} in {place.name} {words}.")
        return redirect(changed)
    context = {"form": form, "model": model, "environment": place, "fields": _fields(model, place)}
    return render(request, "model/capture.html", context, status=status)


def _fields(model: MLModel, place: Environment) -> tuple[list[str], list[str]] | None:
    """The inputs of what is live there: those that are kept, and those that are left out as sensitive."""
    route = Route.objects.filter(model=model, environment=place).select_related("stable").first()
    if route is None or route.stable is None:
        return None
    signature = route.stable.signature
    limits = (signature.get("metadata") or {}).get("constraints") or {}
    names = [field.get("name") or "input" for field in signature["inputs"]]
    secret = [name for name in names if (limits.get(name) or {}).get("sensitive")]
    return [name for name in names if name not in secret], secret
