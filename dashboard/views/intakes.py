"""The report of one upload: its steps as they happen, and how it ended."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from dashboard import steps
from releases.models import Intake
from releases.rights import REGISTER, may

STOP_ASKING = 286
ASKS_FOR_INPUTS = "in the form"  # the end of every refusal that the form's rows can mend


@require_safe
def intake(request: HttpRequest, pk: int) -> HttpResponse:
    """The whole page, or with `?part=report` the report alone; once it has ended, nobody need ask again."""
    found = get_object_or_404(Intake.objects.select_related("model", "package", "created_by"), pk=pk)
    shown = steps.intake(found)
    done = sum(1 for step in shown if step["state"] in ("done", "skipped"))
    open_still = found.state in Intake.OPEN
    context = {
        "intake": found,
        "steps": shown,
        "done": done,
        "is_open": open_still,
        "asks_for_inputs": ASKS_FOR_INPUTS in found.reason,
        "may_register": may(request.user, REGISTER),
    }
    if request.GET.get("part") == "report":
        return render(request, "intake/_report.html", context, status=200 if open_still else STOP_ASKING)
    return render(request, "intake/page.html", context)
