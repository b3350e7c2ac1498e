"""How one environment differs from another."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from dashboard.forms.environments import ParityForm
from releases import gateways
from releases.models import Environment
from releases.queries import parity as queries


@require_safe
def parity(request: HttpRequest, name: str) -> HttpResponse:
    """`?with=` names the other one; the last of the order when it is left out."""
    left = get_object_or_404(Environment, name=name)
    others = list(Environment.objects.exclude(pk=left.pk))
    right = _chosen(request.GET.get("with"), others)
    form = ParityForm({"with": right.name} if right else None, others=[each.name for each in others])
    beats = gateways.alive()
    lines = queries.compare(left, right, beats) if right else []
    context: dict[str, Any] = {"left": left, "right": right, "form": form, "unknown": beats is None}
    context |= {"differing": [line for line in lines if not line.same], "equal": [line for line in lines if line.same]}
    return render(request, "parity/page.html", context)


def _chosen(name: str | None, others: list[Environment]) -> Environment | None:
    if not name:
        return others[-1] if others else None
    found = next((each for each in others if each.name == name), None)
    if found is None:
        raise Http404
    return found
