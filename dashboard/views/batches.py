"""Batches: every one there is, one as it goes, a new one; cancel it, run it again, fetch its files."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.paginator import Paginator
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard import batched
from dashboard.answers import complain, explained
from dashboard.forms.batches import BatchFilter, BatchForm
from dashboard.people import person
from dashboard.views.promotions import status
from releases.errors import Conflict, Refused
from releases.models import BatchJob, MLModel
from releases.modes.batch import files, jobs, reading
from releases.rights import BATCH, require

PER_PAGE = 25


@require_safe
def batches(request: HttpRequest) -> HttpResponse:
    """Every batch with filters, newest first; `?part=list` answers the list alone."""
    form = BatchFilter(request.GET)
    wanted = form.cleaned_data if form.is_valid() else {}
    page = Paginator(reading.every(**wanted), PER_PAGE).get_page(request.GET.get("page"))
    context = {"form": form, "page": page, "rows": [batched.row(job) for job in page], "active": any(wanted.values())}
    context["open"] = any(job.is_active for job in page)
    if request.GET.get("part") == "list":
        return render(request, "batches/_list.html", context)
    return render(request, "batches/page.html", context | {"models": MLModel.objects.all()}, status=status(form))


@require_safe
def batch(request: HttpRequest, pk: int) -> HttpResponse:
    """One batch; `?part=now` answers what changes while it runs."""
    job = _job(pk)
    context = {"job": job, **batched.standing(job, request.user)}
    if request.GET.get("part") == "now":
        # 286 tells the page that nothing will change any more; a comparison then has more to show than this part.
        answer = render(request, "batch/_now.html", context, status=200 if job.is_active else 286)
        if job.is_comparison and not job.is_active:
            answer["HX-Refresh"] = "true"
        return answer
    return render(request, "batch/page.html", context | batched.comparison(job, request.user))


@require_http_methods(["GET", "HEAD", "POST"])
@explained
def batch_start(request: HttpRequest, name: str) -> HttpResponse:
    """Start a batch on a file; POST does it."""
    require(request.user, BATCH)
    model = get_object_or_404(MLModel, name=name)
    first = {"environment": request.GET.get("environment", "production")}
    if request.GET.get("kind") == "comparison":
        first["against"] = request.GET.get("package", "")
    packages = list(model.packages.order_by("-number"))
    form = BatchForm(
        request.POST or None, request.FILES or None, packages=packages, initial=first | {"most_wrong": jobs.MOST_WRONG}
    )
    if request.method == "POST" and form.is_valid():
        try:
            return redirect(jobs.start(actor=person(request), model=model, **form.wanted))
        except (Refused, Conflict) as error:
            complain(form, error)
    return render(request, "batches/start.html", {"model": model, "form": form}, status=status(form))


@require_POST
@explained
def batch_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop a batch."""
    job = _job(pk)
    jobs.cancel(actor=person(request), job=job)
    messages.success(request, f"Batch {pk} is cancelled.")
    return redirect(job)


@require_POST
@explained
def batch_again(request: HttpRequest, pk: int) -> HttpResponse:
    """Start a batch on the same file, with the packages of now."""
    return redirect(jobs.again(actor=person(request), job=_job(pk)))


@login_not_required
@require_safe
def batch_file(request: HttpRequest, token: str) -> FileResponse:
    """Send one file to whoever has its address, until that ends."""
    opened = files.unsign(token)
    job = BatchJob.objects.filter(pk=opened[0]).first() if opened else None
    path = files.path_of(job, opened[1]) if job and opened else None
    if job is None or path is None or opened is None:
        raise Http404("This address has ended. Open the page of the batch for a new one.")
    name = files.name_of(job, opened[1])
    answer = FileResponse(path.open("rb"), as_attachment=True, filename=name, content_type="application/octet-stream")
    answer["Cache-Control"] = "no-store"
    return answer


def _job(pk: int) -> BatchJob:
    columns = ("model", "environment", "package", "against", "schedule", "created_by")
    return get_object_or_404(BatchJob.objects.select_related(*columns), pk=pk)
