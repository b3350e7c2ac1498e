"""Stop the line, and let it go on: one page, one reason."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from dashboard.answers import complain, explained
from dashboard.forms.promotions import ReasonForm
from dashboard.people import person
from dashboard.views.promotions import posted, status
from releases.actions import line as verbs
from releases.errors import Conflict, Refused
from releases.models import Release
from releases.rights import TRAFFIC, require

STOPPED = "The line is stopped. Nothing moves until somebody lets it go on."


@require_http_methods(["GET", "HEAD", "POST"])
@explained
def line(request: HttpRequest) -> HttpResponse:
    """What stopping, or going on, would do; POST does what the page showed, if it is still so."""
    require(request.user, TRAFFIC)
    form, found = ReasonForm(posted(request)), verbs.stopped()
    if request.method == "POST" and form.is_valid():
        try:
            _do(request, form.cleaned_data["reason"])
            return redirect("board")
        except (Refused, Conflict) as error:
            complain(form, error)
            found = verbs.stopped()
    moving = Release.objects.filter(state__in=Release.UNFINISHED, is_rollback=False).count()
    context = {"form": form, "stopped": found, "moving": moving}
    return render(request, "line/page.html", context, status=status(form))


def _do(request: HttpRequest, reason: str) -> None:
    """The form says which of the two it was: a stale page must not do the other."""
    if request.POST.get("verb") == "go-on":
        verbs.go_on(actor=person(request), reason=reason)
        messages.success(request, "The line goes on.")
    else:
        verbs.stop(actor=person(request), reason=reason)
        messages.success(request, STOPPED)
