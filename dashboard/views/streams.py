"""Streams: all of them, and one with its dead letters; send them in again, say how late it may be."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from dashboard import figures
from dashboard.answers import explained
from dashboard.endpoints import public
from dashboard.people import person
from releases.errors import Refused
from releases.models import Environment, MLModel, StreamHook
from releases.modes.stream import hooks, reading
from releases.modes.stream import letters as verbs
from releases.modes.stream.reading import Stream


@require_safe
def streams(request: HttpRequest) -> HttpResponse:
    """Every stream; `?part=list` answers the list alone."""
    context = {"seen": reading.every()}
    return render(request, "streams/_list.html" if request.GET.get("part") == "list" else "streams/page.html", context)


@require_safe
def stream(request: HttpRequest, environment: str, name: str) -> HttpResponse:
    """One stream: lag, pace, dead letters, and how to reach it; `?part=now` answers what changes."""
    place, model = _place(environment, name)
    seen = reading.every(environment, name)
    found = seen.streams[0] if seen.streams else None
    context = {
        "environment": place,
        "model": model,
        "seen": seen,
        "stream": found,
        "strip": _strip(found, seen.consumers) if found else [],
        "letters": reading.letters(place, model),
        "hook": StreamHook.objects.filter(environment=place, model=model).first(),
        "address": f"{public(place.name) or ''}/{place.name}/stream/{model.name}",
    }
    return render(request, "stream/_now.html" if request.GET.get("part") == "now" else "stream/page.html", context)


@require_POST
@explained
def stream_replay(request: HttpRequest, environment: str, name: str) -> HttpResponse:
    """Send one dead letter in again, or all."""
    place, model = _place(environment, name)
    entry = request.POST.get("entry", "")
    sent = verbs.replay(actor=person(request), environment=place, model=model, entry=entry)
    messages.success(request, f"{sent} sent in again.")
    return redirect("stream", environment, name)


@require_POST
@explained
def stream_accept(request: HttpRequest, environment: str, name: str) -> HttpResponse:
    """Say within how many seconds a record must be answered."""
    _, model = _place(environment, name)
    try:
        seconds = forms.FloatField().clean(request.POST.get("seconds", ""))
    except forms.ValidationError as error:
        raise Refused("Write the seconds as a number.", "stream_seconds") from error
    verbs.accept(actor=person(request), model=model, seconds=seconds)
    messages.success(request, f"A record of {model.name} must be answered within {figures.took(seconds)}.")
    return redirect("stream", environment, name)


@require_POST
@explained
def stream_hook(request: HttpRequest, environment: str, name: str) -> HttpResponse:
    """Send results to an address from now on; without one, nowhere any more."""
    place, model = _place(environment, name)
    if url := request.POST.get("url", "").strip():
        _, secret = hooks.put(actor=person(request), environment=place, model=model, url=url)
        messages.success(request, f"Results go to {url} from now on. Secret of the signatures, shown once: {secret}")
    else:
        hooks.remove(actor=person(request), environment=place, model=model)
        messages.success(request, "Results are sent nowhere any more.")
    return redirect("stream", environment, name)


def _place(environment: str, name: str) -> tuple[Environment, MLModel]:
    return get_object_or_404(Environment, name=environment), get_object_or_404(MLModel, name=name)


def _strip(found: Stream, consumers: int) -> list[dict[str, Any]]:
    late = {"tone": "bad"} if found.is_late else {}
    nobody = {} if found.worked_on or not found.waiting else {"tone": "warn"}
    alive = "1 consumer alive" if consumers == 1 else f"{consumers} consumers alive"
    return [
        {
            "label": "Waiting",
            "value": figures.count(found.waiting),
            "note": alive,
            **nobody,
        },
        {"label": "Lag", "value": figures.duration(found.lag), "note": f"limit {figures.took(found.limit)}", **late},
        {"label": "Records a second", "value": figures.rounded(found.pace), "note": "in the last ten seconds"},
        {
            "label": "Answered",
            "value": figures.count(found.answered),
            "note": f"{figures.count(found.dead)} set aside, {figures.count(found.doubled)} came twice",
        },
    ]
