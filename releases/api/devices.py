"""Edge, for devices: what a channel offers, the files of bundles, and checking in; with a key of the environment."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from django.http import FileResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotAuthenticated, NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from releases.actions import keys
from releases.api.endpoint import Endpoint
from releases.api.parsing import Body, Real, Text, Whole
from releases.models import ApiKey, EdgeBundle, EdgeChannel, EdgeDevice
from releases.modes.edge import bundles, fleet

ASK = 'Bearer realm="slipway"'
NEEDED = "This channel needs an API key of its environment: Authorization: Bearer KEY."
TOUCH = timedelta(minutes=1)
# A file that is named by what it holds never changes.
FOR_EVER = "private, max-age=31536000, immutable"


class DeviceEndpoint(Endpoint):
    """Lets in who has a key of the channel's environment, or anybody where that asks for none."""

    authentication_classes = []
    permission_classes = []
    channel: EdgeChannel

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        rows = EdgeChannel.objects.select_related("model", "environment", "bundle__package")
        self.channel = admitted(request, rows.filter(model__name=kwargs["name"], name=kwargs["channel"]).first())

    def handle_exception(self, exc: Exception) -> Response:
        response: Response = super().handle_exception(exc)
        if isinstance(exc, NotAuthenticated):
            response.status_code, response["WWW-Authenticate"] = 401, ASK
        return response


def admitted(request: Request, channel: EdgeChannel | None) -> EdgeChannel:
    """Return the channel for a caller who may ask it; who has no key does not learn which channels there are."""
    header = request.headers.get("Authorization", "")
    if channel and channel.environment.keyless and not header:
        return channel
    key = _key(header)
    if channel is None:
        raise NotFound("There is no such channel.")
    if key.environment_id != channel.environment_id or not {"*", channel.model.name} & set(key.models):
        raise PermissionDenied(f"This key is not for {channel.model.name} in {channel.environment.name}.")
    return channel


def _key(header: str) -> ApiKey:
    scheme, _, secret = header.partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise NotAuthenticated(NEEDED)
    hashed, now = keys.hashed(secret.strip()), timezone.now()
    found = (
        ApiKey.objects.filter(hash=hashed).first()
        or ApiKey.objects.filter(previous_hash=hashed, previous_until__gt=now).first()
    )
    if found is None or found.revoked_at or (found.expires_at and found.expires_at <= now):
        raise NotAuthenticated(f"This API key is not known, or has ended. {NEEDED}")
    if found.last_used_at is None or found.last_used_at < now - TOUCH:
        ApiKey.objects.filter(pk=found.pk).update(last_used_at=now)
    return found


class OfferShape(serializers.Serializer):
    offer = serializers.CharField(read_only=True, help_text="JSON: model, channel, serial, bundle, coming, share, seed")
    signature = serializers.CharField(
        read_only=True, help_text="Ed25519 in base64, over a line that says its kind and the offer"
    )


class EdgeManifest(DeviceEndpoint):
    @extend_schema(responses={200: OfferShape, 304: None}, auth=[])
    def get(self, request: Request, name: str, channel: str) -> Response:
        """Ask what the channel offers; with `If-None-Match` 304 says that nothing has changed."""
        tag = f'"{hashlib.sha256(self.channel.offer.encode()).hexdigest()[:32]}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        given = request.headers.get("If-None-Match", "")
        if tag in [each.strip().removeprefix("W/") for each in given.split(",")]:
            return Response(status=304, headers=headers)
        return Response({"offer": self.channel.offer, "signature": self.channel.signature}, headers=headers)


class EdgeFile(DeviceEndpoint):
    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY}, auth=[])
    def get(self, request: Request, name: str, channel: str, bundle: str, file: str) -> Any:
        """Fetch one file of a bundle."""
        ours = EdgeBundle.objects.filter(bundle=bundle, package__model=self.channel.model_id).exists()
        path = bundles.file(bundle, file) if ours else None
        if path is None:
            raise NotFound("There is no such file.")
        answer = FileResponse(path.open("rb"), content_type="application/octet-stream")
        answer["Cache-Control"] = FOR_EVER
        return answer


class CheckInBody(Body):
    device = Text(max_length=100, help_text="its name, which it keeps")
    bundle = Text(max_length=64, allow_blank=True, help_text="what it runs; empty for nothing")
    state = serializers.ChoiceField(EdgeDevice.State.choices, help_text="how what it should run went")
    words = Text(max_length=2000, allow_blank=True, required=False, default="")
    seconds = Real(min_value=0, required=False, default=0.0, help_text="median time of a row")
    memory = Whole(min_value=0, max_value=2**50, required=False, default=0, help_text="bytes at its peak")


class CheckedIn(serializers.Serializer):
    device = serializers.CharField(read_only=True, source="name")
    package = serializers.IntegerField(read_only=True, allow_null=True)
    seen_at = serializers.DateTimeField(read_only=True)


class EdgeCheckIn(DeviceEndpoint):
    @extend_schema(request=CheckInBody, responses=CheckedIn, auth=[])
    def post(self, request: Request, name: str, channel: str) -> Response:
        """Tell how this device is."""
        return Response(CheckedIn(fleet.check_in(self.channel, self.body(CheckInBody))).data)
