"""What holds for every call and answer: one strict Content-Security-Policy, no NUL characters, no empty error."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

Handler = Callable[[HttpRequest], HttpResponse]
FORM = "application/x-www-form-urlencoded"
REST = "/api/"


def content_security_policy(get_response: Handler) -> Handler:
    def handle(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", settings.CONTENT_SECURITY_POLICY)
        return response

    return handle


def wrong_verb_in_words(get_response: Handler) -> Handler:
    """Give an empty 405 a page: somebody reloads, or signs in again, at the address of a form."""

    def handle(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if response.status_code == 405 and not response.content and not request.path.startswith(REST):
            page = render(request, "errors/405.html", status=405)
            page.headers["Allow"] = response.headers.get("Allow", "")
            return page
        return response

    return handle


def no_nul(get_response: Handler) -> Handler:
    """Refuse what PostgreSQL cannot look for: a NUL character in an address or a form is a mistake, or an attack."""

    def handle(request: HttpRequest) -> HttpResponse:
        if "\0" in request.path:
            return _nothing_there(request)
        if any("\0" in text for text in _texts(request)):
            raise BadRequest("The address or the form holds a NUL character.")
        return get_response(request)

    return handle


def _nothing_there(request: HttpRequest) -> HttpResponse:
    if request.path.startswith(REST):
        return JsonResponse({"detail": "There is nothing at this address."}, status=404)
    raise Http404("No address holds a NUL character.")


def _texts(request: HttpRequest) -> Iterable[str]:
    if request.path.startswith(REST):
        return  # REST checks its own fields, and names them
    for name, values in request.GET.lists():
        yield from (name, *values)
    if request.content_type == FORM:  # uploads are streamed to where they belong
        for name, values in request.POST.lists():
            yield from (name, *values)
