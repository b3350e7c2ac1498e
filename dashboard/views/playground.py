"""The playground: type a row, see what one or two environments answer, take the call home as a snippet."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from dashboard import endpoints, snippets
from dashboard import playground as trying
from dashboard.forms.playground import ChoiceForm, InputForm
from releases.models import Environment, MLModel
from serving.contract import Signature


@require_http_methods(["GET", "HEAD", "POST"])
def playground(request: HttpRequest) -> HttpResponse:
    """The choice stands in the address; a POST asks the gateways. htmx asks for the inner part alone."""
    try:
        chosen = trying.choose(request.GET)
    except (MLModel.DoesNotExist, Environment.DoesNotExist) as error:
        raise Http404 from error
    if chosen is None:
        return render(request, "playground/empty.html")
    context = {"chosen": chosen, "choice": _choice(chosen), "elsewhere": trying.elsewhere(chosen)}
    if chosen.package:
        form = InputForm(Signature.from_json(chosen.package.signature), chosen.package.example, request.POST or None)
        context |= {"form": form, **(_answers(chosen, form) if request.method == "POST" else {})}
        context["snippets"] = _snippets(chosen, form)
        context["described"] = endpoints.description(chosen.environment.name, chosen.model.name)
    inner = bool(request.headers.get("HX-Request")) and request.method == "POST"
    return render(request, "playground/_play.html" if inner else "playground/page.html", context)


def _choice(chosen: trying.Chosen) -> ChoiceForm:
    values = {
        "model": chosen.model.name,
        "environment": chosen.environment.name,
        "compare": chosen.compare.name if chosen.compare else "",
        "package": chosen.pin or "",
    }
    return ChoiceForm(initial=values, packages=[(each.package, each.arm) for each in chosen.loaded])


def _answers(chosen: trying.Chosen, form: InputForm) -> dict[str, Any]:
    """Ask; the first environment's rules are shown at the fields, what has no field stays with the answer."""
    places = [place for place in (chosen.environment, chosen.compare) if place]
    answers = [trying.ask(chosen, place, form.instances()) for place in places]
    rest = form.show(answers[0].details)
    return {"answers": answers, "rest": rest, "difference": trying.difference(answers)}


def _snippets(chosen: trying.Chosen, form: InputForm) -> list[dict[str, str]]:
    url = endpoints.prediction(chosen.environment.name, chosen.model.name)
    if url is None:
        return []
    return snippets.tabs(
        url, form.instances(), keyless=chosen.environment.keyless and not chosen.pin, package=chosen.pin
    )
