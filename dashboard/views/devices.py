"""The devices of a model: its channels, what they offer, what runs where; open, send, withdraw."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard import edged
from dashboard.answers import complain, explained
from dashboard.forms.edge import WithdrawForm
from dashboard.people import person
from dashboard.views.promotions import status
from releases.errors import Conflict, Refused
from releases.models import EdgeChannel, MLModel
from releases.modes.edge import channels, releasing, signing
from releases.rights import DEPLOY, require

CHANGED = "Something has changed since this page was drawn. This is how it is now."


@require_safe
def devices(request: HttpRequest, name: str) -> HttpResponse:
    """Both channels and the fleet; `?part=now` answers what changes."""
    model = get_object_or_404(MLModel, name=name)
    context = {"model": model, **edged.page(model, request.user)}
    if request.GET.get("part") == "now":
        return render(request, "devices/_now.html", context)
    key = signing.public_text()
    return render(request, "devices/page.html", context | {"key": key, "address": request.build_absolute_uri("/")})


@require_POST
@explained
def channel_switch(request: HttpRequest, name: str, channel: str) -> HttpResponse:
    """Open a channel, or close it."""
    model, on = get_object_or_404(MLModel, name=name), request.POST.get("on") == "1"
    channels.switch(actor=person(request), model=model, name=channel, on=on)
    words = f"The channel {channel} is open." if on else f"The channel {channel} is closed: the model is off there."
    messages.success(request, words)
    return redirect("devices", name)


@require_POST
@explained
def channel_send(request: HttpRequest, name: str, channel: str) -> HttpResponse:
    """Send what is live to the devices, in steps."""
    return redirect(releasing.start(actor=person(request), channel=_channel(name, channel)))


@require_http_methods(["GET", "HEAD", "POST"])
@explained
def channel_withdraw(request: HttpRequest, name: str, channel: str) -> HttpResponse:
    """Give all devices the bundle before; a form that was drawn before something changed is drawn again."""
    found = _channel(name, channel)
    require(request.user, DEPLOY, found.environment)
    form = WithdrawForm(request.POST or None, initial={"seen": found.serial})
    if request.method == "POST" and form.is_valid():
        try:
            if form.cleaned_data["seen"] != found.serial:
                raise Conflict(CHANGED)
            return redirect(
                releasing.withdraw(actor=person(request), channel=found, reason=form.cleaned_data["reason"])
            )
        except (Refused, Conflict) as error:
            complain(form, error)
    context = {"model": found.model, "channel": found, "form": form, "running": channels.coming(found)}
    return render(request, "devices/withdraw.html", context, status=status(form))


def _channel(name: str, channel: str) -> EdgeChannel:
    rows = EdgeChannel.objects.select_related("model", "environment", "bundle__package")
    return get_object_or_404(rows, model__name=name, name=channel)
