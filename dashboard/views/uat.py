"""User acceptance: the inbox, the sheet of a package, its cases, the signature."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard import acceptance
from dashboard.answers import complain, explained
from dashboard.forms.playground import InputForm
from dashboard.forms.uat import MarkForm, OwnForm, RejectForm, SignForm, input_form, row_of
from dashboard.people import person
from dashboard.views.promotions import named, number, status
from releases.errors import Conflict, Forbidden, Refused
from releases.models import Route
from releases.queries.wanted import is_live
from releases.rights import SIGN_OFF, may, require
from releases.wants import PRODUCTION
from serving.contract import Signature
from testing.models import Attachment, Sheet, SheetCase
from testing.uat import inbox, plans, sheets, signing

PER_PAGE = 20


@require_safe
def uat(request: HttpRequest) -> HttpResponse:
    """What waits for a sign-off, what is begun, and what was signed or rejected."""
    page = Paginator(inbox.sheets().exclude(state=Sheet.State.OPEN), PER_PAGE).get_page(request.GET.get("page"))
    context = {"items": inbox.waiting(), "page": page, "may_sign": may(request.user, SIGN_OFF)}
    context["begun"] = inbox.sheets().filter(state=Sheet.State.OPEN)
    return render(request, "uat/page.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@explained
def uat_start(request: HttpRequest, name: str) -> HttpResponse:
    """Open the sheet of a package, or go on with it."""
    require(request.user, SIGN_OFF)
    package, environment = named(request, name)
    if request.method == "POST":
        return redirect(sheets.start(actor=person(request), package=package, environment=environment))
    context = {"package": package, "environment": environment, "count": package.model.plan_cases.count()}
    return render(request, "uat/start.html", context)


@require_safe
def sheet(request: HttpRequest, pk: int) -> HttpResponse:
    """One sheet."""
    return _sheet(request, _found(pk))


@require_POST
@explained
def sheet_ask(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask one case (`case`), or all that were not asked yet."""
    found, chosen = _found(pk), number(request.POST, "case")
    if "case" not in request.POST:
        left = sheets.ask_all(actor=person(request), sheet=found)
        if left:
            messages.warning(request, f"{left} cases are left: the answers took too long. Run them once more.")
        return redirect(_place(found, None))
    case = get_object_or_404(SheetCase.objects.select_related("sheet__package__model"), pk=chosen, sheet=found)
    sheets.ask(actor=person(request), case=case)
    return redirect(_place(found, case.pk))


@require_POST
@explained
def sheet_mark(request: HttpRequest, pk: int, case: int) -> HttpResponse:
    """Mark a case, with a note and a file."""
    found = get_object_or_404(SheetCase.objects.select_related("sheet__package__model"), pk=case, sheet=pk)
    form = MarkForm(request.POST, request.FILES, auto_id=f"id_%s_{found.pk}")
    if form.is_valid():
        try:
            _mark(request, found, form)
            return redirect(_place(found.sheet, found.pk))
        except (Refused, Conflict) as error:
            complain(form, error)
    return _sheet(request, _found(pk), marked=(found.pk, form), code=status(form))


@require_POST
@explained
def sheet_own(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask an input of one's own."""
    found = _found(pk)
    typed, form = _typed(found, request.POST), OwnForm(request.POST)
    if form.is_valid():
        title = form.cleaned_data["title"]
        case = sheets.try_own(actor=person(request), sheet=found, title=title, row=row_of(typed))
        return redirect(_place(found, case.pk))
    return _sheet(request, found, own=(form, typed), code=400)


@require_POST
@explained
def sheet_own_case(request: HttpRequest, pk: int, case: int) -> HttpResponse:
    """Make an own input a case of the plan (`into=plan`), or take it off the sheet."""
    found = get_object_or_404(SheetCase.objects.select_related("sheet__package__model"), pk=case, sheet=pk)
    if request.POST.get("into") == "plan":
        made = sheets.into_plan(actor=person(request), case=found)
        messages.success(request, f"“{made.title}” is a case of the plan now.")
    else:
        sheets.drop_own(actor=person(request), case=found)
    return redirect(_place(found.sheet, None))


@require_POST
@explained
def sheet_renew(request: HttpRequest, pk: int) -> HttpResponse:
    """Take the plan's changes over."""
    found = _found(pk)
    sheets.renew(actor=person(request), sheet=found)
    messages.success(request, "The sheet has the plan's cases of today. What was marked and did not change stays.")
    return redirect(found)


@require_POST
@explained
def sheet_sign(request: HttpRequest, pk: int) -> HttpResponse:
    """Sign it."""
    found, form = _found(pk), SignForm(request.POST)
    if form.is_valid():
        try:
            password = form.cleaned_data["password"]
            signing.sign(actor=person(request), sheet=found, password=password, statement=signing.STATEMENT)
            messages.success(request, f"You accepted package {found.package.number} of {found.package.model.name}.")
            return redirect(found)
        except (Refused, Conflict) as error:
            complain(form, error)
        except Forbidden as error:
            form.add_error(None, error.message)
            form.conflict = 403  # type: ignore[attr-defined]
    return _sheet(request, _found(pk), sign=form, code=status(form))


@require_POST
@explained
def sheet_reject(request: HttpRequest, pk: int) -> HttpResponse:
    """Reject it."""
    found, form = _found(pk), RejectForm(request.POST)
    if form.is_valid():
        signing.reject(actor=person(request), sheet=found, reason=form.cleaned_data["reason"])
        messages.success(request, f"You rejected package {found.package.number}. What waited for it has stopped.")
        return redirect(found)
    return _sheet(request, found, reject=form, code=400)


@require_safe
def attachment(request: HttpRequest, pk: int) -> HttpResponse:
    """A file that was attached, always as a download: it is foreign content."""
    found = get_object_or_404(Attachment, pk=pk)
    answer = HttpResponse(bytes(found.content), content_type="application/octet-stream")
    name = "".join(char if char.isalnum() or char in "._- " else "_" for char in found.name)
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _mark(request: HttpRequest, case: SheetCase, form: MarkForm) -> None:
    given = form.cleaned_data
    if given["file"]:
        file = given["file"]
        if file.size > sheets.ATTACHMENT_BYTES:
            raise Refused(sheets.TOO_LARGE, "file")
        sheets.attach(actor=person(request), case=case, name=file.name, content=file.read())
    sheets.mark(actor=person(request), case=case, mark=given["mark"], note=given["note"])


def _sheet(
    request: HttpRequest,
    found: Sheet,
    *,
    marked: tuple[int, MarkForm] | None = None,
    own: tuple[OwnForm, InputForm] | None = None,
    sign: SignForm | None = None,
    reject: RejectForm | None = None,
    code: int = 200,
) -> HttpResponse:
    cases = acceptance.cases(found)
    for each in cases:
        if marked and each["case"].pk == marked[0]:
            each["form"] = marked[1]
    form, typed = own or (OwnForm(auto_id="id_own_%s"), _typed(found, None))
    done = sum(each["case"].is_done for each in cases)
    context: dict[str, Any] = {
        "sheet": found,
        "cases": cases,
        "done": done,
        "left": len(cases) - done,
        "unasked": sum(each["case"].asked_at is None for each in cases),
        "may_work": found.is_open and may(request.user, SIGN_OFF),
        "may_begin": not found.is_open and may(request.user, SIGN_OFF) and is_live(found.package, found.environment),
        "hindrances": signing.hindrances(person(request), found) if found.is_open else [],
        "stale_plan": found.is_open and plans.digest(found.package.model) != found.plan_digest,
        "waiting": signing.waiting(found),
        "live_here": Route.objects.filter(stable=found.package, environment__name=PRODUCTION).exists(),
        "statement": signing.STATEMENT,
        "sign": sign or SignForm(auto_id="id_sign_%s"),
        "reject": reject or RejectForm(auto_id="id_reject_%s"),
        "own_form": form,
        "typed": typed,
    }
    return render(request, "uat/sheet.html", context, status=code)


def _found(pk: int) -> Sheet:
    related = ("package__model", "package__created_by", "environment", "created_by", "ended_by")
    return get_object_or_404(Sheet.objects.select_related(*related), pk=pk)


def _typed(found: Sheet, data: Any) -> InputForm:
    package = found.package
    return input_form(Signature.from_json(package.signature), package.example[0] if package.example else None, data)


def _place(found: Sheet, case: int | None) -> str:
    """The page of the sheet, at the case that was worked on."""
    return reverse("sheet", args=[found.pk]) + (f"#case-{case}" if case else "#cases")
