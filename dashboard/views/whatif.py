"""What other settings of the judge would have found: a question to the stored batches, which stay as they are."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from dashboard.answers import explained
from dashboard.forms.whatif import WhatIfForm
from dashboard.judged import TITLES, TONES
from releases import judging
from releases.analysis.settings import Settings
from releases.analysis.verdict import FINAL, Verdict
from releases.models import Judgement, Release


@require_safe
@explained
def what_if(request: HttpRequest, pk: int) -> HttpResponse:
    """The record beside what these settings would have found; without settings the record alone."""
    release = get_object_or_404(Release.objects.select_related("model", "environment", "package", "replaces"), pk=pk)
    judgement = Judgement.objects.filter(release=release).defer("state", "history").first()
    if judgement is None:
        raise Http404("It was never judged.")
    settings = Settings.from_json(judgement.settings)
    form = WhatIfForm(request.GET or None, initial=WhatIfForm.of(settings))
    found: list[Verdict] | None = None
    if form.is_bound and form.is_valid():
        try:
            found = judging.what_if(release, **form.changes)
        except ValueError as error:
            form.add_error(None, ValidationError(str(error)))
    context: dict[str, Any] = {"release": release, "form": form, "record": _told(release, judging.newest(release))}
    if found is not None:
        decided = next((verdict for verdict in found if verdict.state in FINAL), found[-1] if found else None)
        context["found"] = _told(release, decided)
    status = 400 if form.is_bound and form.errors else 200
    return render(request, "release/whatif.html", context, status=status)


def _told(release: Release, verdict: Verdict | None) -> dict[str, Any]:
    """Return a verdict in words: what, at which batch, and when that was."""
    if verdict is None:
        return {"title": "No batch was judged", "tone": "accent"}
    row = release.batches.filter(number=verdict.batch).values_list("at", flat=True).first()
    return {
        "title": TITLES[verdict.state],
        "tone": TONES[verdict.state],
        "words": verdict.reason[:1].upper() + verdict.reason[1:],
        "batch": verdict.batch,
        "at": row,
        "evidence": verdict.evidence,
    }
