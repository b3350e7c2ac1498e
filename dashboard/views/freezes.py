"""When an environment stands still: look, freeze it, take a freeze away."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.answers import complain, explained
from dashboard.forms.freezes import FreezeForm
from dashboard.people import person
from dashboard.views.promotions import posted, status
from releases import freezes as windows
from releases.actions import freezes as verbs
from releases.errors import Conflict, Refused
from releases.models import Environment, Freeze
from releases.rights import TRAFFIC, require


@require_http_methods(["GET", "HEAD", "POST"])
@explained
def freezes(request: HttpRequest, name: str) -> HttpResponse:
    """What holds now and in the next days, and the freezes that it comes from; POST makes one."""
    environment = get_object_or_404(Environment, name=name)
    form = FreezeForm(posted(request))
    if request.method == "POST":
        require(request.user, TRAFFIC)
        if form.is_valid():
            try:
                verbs.freeze(actor=person(request), environment=environment, **form.wanted)
                messages.success(request, f"{environment.name} will stand still then.")
                return redirect("freezes", environment.name)
            except (Refused, Conflict) as error:
                complain(form, error)
    context = {
        "environment": environment,
        "form": form,
        "holding": windows.holding(environment),
        "coming": windows.coming([environment]).get(environment.pk, []),
        "freezes": environment.freezes.select_related("created_by"),
    }
    return render(request, "freezes/page.html", context, status=status(form))


@require_POST
@explained
def freeze_remove(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Take a freeze away; releases that waited for its end go on."""
    found = get_object_or_404(Freeze.objects.select_related("environment"), environment__name=name, pk=pk)
    verbs.thaw(actor=person(request), freeze=found)
    messages.success(request, f"“{found.name}” holds nothing any more.")
    return redirect("freezes", name)
