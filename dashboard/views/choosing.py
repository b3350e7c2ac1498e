"""How to serve a model: the simplest mode for a need, with reasons, and its packages side by side."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from dashboard import figures
from dashboard.forms.choosing import NeedForm
from dashboard.views.promotions import status
from releases.models import MLModel
from releases.modes import choosing
from releases.modes.measured import Seen, choose

FIRST = {"latency": "second", "arrival": choosing.CALLS, "online": "yes"}
FITS = {True: ("pass", "Quick enough"), False: ("fail", "Too slow"), None: ("hold", "Not called yet")}


@require_safe
def serving_mode(request: HttpRequest, name: str) -> HttpResponse:
    """Ask, and recommend; without an answer yet for a client that calls and waits for a second."""
    model = get_object_or_404(MLModel, name=name)
    form = NeedForm(FIRST | request.GET.dict() if request.GET else FIRST)
    found = choose(model, form.need)
    context = {
        "model": model,
        "form": form,
        "advice": found.advice,
        "live": found.live,
        "rows": [_row(each) for each in found.packages],
        "onward": _onward(model, found.advice.mode),
    }
    return render(request, "serving_mode/page.html", context, status=status(form))


def _row(each: Seen) -> dict[str, Any]:
    state, words = FITS[each.fits]
    quality = ", ".join(f"{name}: {figures.rounded(value)}" for name, value in each.quality.items())
    rate = figures.count(round(each.rows_a_second)) if each.rows_a_second else figures.NOTHING
    return {"seen": each, "state": state, "words": words, "quality": quality or figures.NOTHING, "rate": rate}


def _onward(model: MLModel, mode: str) -> dict[str, str]:
    """Return where the recommended mode begins."""
    if mode == choosing.BATCH:
        return {"url": reverse("batch_start", args=[model.name]), "text": "Start a batch"}
    if mode == choosing.STREAM:
        return {"url": reverse("streams"), "text": "Look at the streams"}
    if mode == choosing.REST:
        return {"url": f"{reverse('playground')}?model={model.name}", "text": "Call it"}
    return {"url": reverse("devices", args=[model.name]), "text": "Look at its devices"}
