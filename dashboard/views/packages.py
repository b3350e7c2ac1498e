"""One package with everything that is known about it; registering one; deleting one that nothing needs."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard import badges, diffs, edged, facts, runs, steps
from dashboard.answers import complain, explained
from dashboard.cells import onward, promote_url
from dashboard.diffs import RUNTIMES
from dashboard.forms.packages import BaseInputs, InputsFormSet, UploadForm, first_rows, with_more_rows
from dashboard.people import person
from dashboard.signatures import fields, outputs
from dashboard.views.models import upload_calls
from dashboard.views.promotions import number, posted, status
from releases.actions import packages as verbs
from releases.errors import Conflict, Refused
from releases.models import Environment, Intake, MLModel, Package
from releases.queries import difference, packages
from releases.queries import releases as releases_queries
from releases.rights import DELETE, DEPLOY, REGISTER, may, require
from testing.queries import newest


@require_safe
def package(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Signature, digest, provenance, intake report, files, example, where it is live; `?with=` compares it."""
    found = get_object_or_404(Package.objects.select_related("model", "created_by"), model__name=name, number=number)
    intake = packages.accepted_by(found)
    context = {
        "package": found,
        "runtime": RUNTIMES.get(found.runtime, found.runtime),
        "fields": fields(found.signature),
        "outputs": outputs(found.signature),
        "about": facts.about(found),
        "versions": facts.versions(found),
        "installed": facts.installed(found),
        "files": facts.files(found),
        "differences": facts.differences_of(found),
        "example": facts.example(found),
        "intake": intake,
        "steps": steps.intake(intake) if intake else [],
        "places": packages.places(found.model).get(found.pk, []),
        "evidence": packages.evidence(found),
        "badges": badges.of([found])[found.pk],
        "suites": [{"label": runs.label(kind), "runs": found_runs} for kind, found_runs in newest(found).items()],
        "risk": found.model.get_risk_display(),
        "entries": _entries(request, found),
        "onward": onward(request.user, found),
        "devices": edged.of_package(found),
        "kept": packages.kept_because(found),
        "may_delete": may(request.user, DELETE),
        **_compared(request, found),
    }
    return render(request, "package/page.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@explained
def register(request: HttpRequest, name: str) -> HttpResponse:
    """Upload a package; what its files do not say can be said here, too."""
    require(request.user, REGISTER)
    model = get_object_or_404(MLModel, name=name)
    if "more" in request.POST:
        return render(request, "register/page.html", _asked(request, model, UploadForm(), with_more_rows(request.POST)))
    before = Intake.objects.filter(model=model, pk=number(request.GET, "after")).first()
    form = UploadForm(posted(request), request.FILES or None)
    rows = InputsFormSet(posted(request), initial=first_rows(before.declared if before else {}), prefix="inputs")
    if request.method == "POST" and form.is_valid() and rows.is_valid():
        try:
            return redirect(_register(request, model, form, rows))
        except (Refused, Conflict) as error:
            complain(form, error)
    context = _asked(request, model, form, rows) | {"before": before}
    wrong = 400 if rows.is_bound and not rows.is_valid() else status(form)
    return render(request, "register/page.html", context, status=wrong)


@require_POST
@explained
def package_delete(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Delete a package that was never released; the verb says why it cannot be."""
    found = get_object_or_404(Package.objects.select_related("model"), model__name=name, number=number)
    verbs.delete(actor=person(request), package=found)
    messages.success(request, f"Package {number} was deleted.")
    return redirect("model", name=name)


def _asked(request: HttpRequest, model: MLModel, form: UploadForm, rows: BaseInputs) -> dict[str, Any]:
    """The page of the upload; the rows are open where they were asked for, or hold something."""
    asked = "inputs" in request.GET or rows.is_bound
    return {"model": model, "form": form, "rows": rows, "asked": asked, "calls": upload_calls(request, model.name)}


def _register(request: HttpRequest, model: MLModel, form: UploadForm, rows: Any) -> Intake:
    file = form.cleaned_data["file"]
    return verbs.register(
        actor=person(request), model=model, filename=file.name, chunks=file.chunks(), declared=rows.declared()
    )


def _entries(request: HttpRequest, found: Package) -> list[dict[str, Any]]:
    """For each environment: live, open to a promote, or what stands in the way."""
    places = Environment.objects.prefetch_related("freezes")
    switches = [releases_queries.switch(found, environment) for environment in places]
    return [
        {
            "switch": switch,
            "environment": switch.environment,
            "may": may(request.user, DEPLOY, switch.environment),
            "url": promote_url(found.model.name, found.number, switch.environment.name),
        }
        for switch in switches
    ]


def _compared(request: HttpRequest, found: Package) -> dict[str, Any]:
    """The difference to another package of the model: the one asked for, and the others to choose from."""
    others = list(found.model.packages.exclude(pk=found.pk).order_by("-number").values_list("number", flat=True)[:50])
    wanted = number(request.GET, "with")
    other = found.model.packages.filter(number=wanted).first() if wanted in others else None
    if other is None:
        return {"others": others}
    diff = difference.between(other, found)
    words = {"before": f"Package {other.number}", "after": f"Package {found.number}"}
    return {"others": others, "other": other, "diff": diff, "diff_rows": diffs.rows(diff["rows"]), **words}
