"""Steer a release on its way: pause, let it go on, another weight, all of the traffic now."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.answers import complain, explained
from dashboard.forms.promotions import ReasonForm
from dashboard.people import person
from dashboard.views.promotions import posted, status
from releases.actions import steering
from releases.errors import Conflict, Refused
from releases.models import Release
from releases.queries import planning
from releases.rights import DEPLOY, require

RELATED = ("model", "environment", "package", "replaces")


@require_POST
@explained
def pause(request: HttpRequest, pk: int) -> HttpResponse:
    """Hold a release where it is."""
    return _done(request, pk, steering.pause, "It is paused. A fault still takes it back.")


@require_POST
@explained
def resume(request: HttpRequest, pk: int) -> HttpResponse:
    """Let a paused release go on."""
    return _done(request, pk, steering.resume, "It goes on.")


@require_POST
@explained
def weight(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a canary another share of the traffic."""
    release = _release(pk)
    try:
        wanted = float(request.POST.get("weight", ""))
    except ValueError as error:
        raise Refused("Write the share as a number of per cent, such as 12.5.", "weight") from error
    steering.set_weight(actor=person(request), release=release, weight=wanted)
    messages.success(request, f"The candidate gets {release.weight:g} % now.")
    return redirect(release)


@require_POST
@explained
def set_steps(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a canary other steps, written as on the promote page."""
    release = _release(pk)
    steering.set_steps(actor=person(request), release=release, steps=planning.parsed(request.POST.get("steps", "")))
    messages.success(request, "The canary goes on by its new steps.")
    return redirect(release)


@require_http_methods(["GET", "HEAD", "POST"])
@explained
def promote(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask why, then give a canary all of the traffic."""
    release = _release(pk)
    require(request.user, DEPLOY, release.environment)
    form, text = ReasonForm(posted(request)), _promoting(release)
    if request.method == "POST" and form.is_valid():
        try:
            steering.promote_now(actor=person(request), release=release, reason=form.cleaned_data["reason"])
            messages.success(request, text["done"])
            return redirect(release)
        except (Refused, Conflict) as error:
            complain(form, error)
    context = {"release": release, "form": form, "text": text}
    return render(request, "release/promote.html", context, status=status(form))


def _promoting(release: Release) -> dict[str, str]:
    """What is asked before all of it, and said after it."""
    package = f"Package {release.package.number}" if release.package else "It"
    if release.strategy == "edge":
        return {
            "title": "Send it to all devices now?",
            "lead": f"{package} is offered to every device, whatever those in the share have said so far.",
            "button": "Send it to all devices",
            "done": f"{package} goes to all devices.",
        }
    return {
        "title": "Promote now, without the judge?",
        "lead": f"{package} takes all calls in {release.environment.name}, whatever the judge has found so far.",
        "button": "Give it all of the traffic",
        "done": f"{package} gets all of the traffic.",
    }


def _done(request: HttpRequest, pk: int, verb: Callable[..., Release], words: str) -> HttpResponse:
    release = verb(actor=person(request), release=_release(pk))
    messages.success(request, words)
    return redirect(release)


def _release(pk: int) -> Release:
    return get_object_or_404(Release.objects.select_related(*RELATED), pk=pk)
