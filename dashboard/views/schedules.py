"""Schedules of batches: which there are and what comes next; make one, switch it, take it away."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from dashboard import batched
from dashboard.answers import complain, explained
from dashboard.forms.batches import ScheduleForm
from dashboard.people import person
from dashboard.views.promotions import posted, status
from releases.errors import Conflict, Refused
from releases.models import BatchSchedule
from releases.modes.batch import schedules as verbs
from releases.rights import BATCH, require


@require_http_methods(["GET", "HEAD", "POST"])
@explained
def schedules(request: HttpRequest) -> HttpResponse:
    """Every schedule with its next times and its last job; POST makes one."""
    form = ScheduleForm(posted(request))
    if request.method == "POST":
        require(request.user, BATCH)
        if form.is_valid():
            try:
                made = verbs.create(actor=person(request), **form.wanted)
                messages.success(request, f"“{made.name}” starts by itself from now on.")
                return redirect("schedules")
            except (Refused, Conflict) as error:
                complain(form, error)
    context = {"form": form, "rows": batched.timetable()}
    return render(request, "schedules/page.html", context, status=status(form))


@require_POST
@explained
def schedule_switch(request: HttpRequest, pk: int) -> HttpResponse:
    """Switch a schedule on or off."""
    found = get_object_or_404(BatchSchedule.objects.select_related("model", "environment"), pk=pk)
    verbs.switch(actor=person(request), schedule=found, on=request.POST.get("on") == "1")
    messages.success(request, f"“{found.name}” is {'on' if found.on else 'off'}.")
    return redirect("schedules")


@require_POST
@explained
def schedule_remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a schedule away; its jobs stay."""
    found = get_object_or_404(BatchSchedule.objects.select_related("model", "environment"), pk=pk)
    verbs.remove(actor=person(request), schedule=found)
    messages.success(request, f"“{found.name}” starts nothing any more.")
    return redirect("schedules")
