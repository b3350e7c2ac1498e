"""Edge, for people: bundles of packages, channels and their devices, withdrawals."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import FileResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from releases.api.endpoint import Endpoint, Listing, created, narrowed
from releases.api.parsing import Body, Query, Real, Switch, Text
from releases.api.releases import ReleaseShape, every_release
from releases.models import EdgeBundle, EdgeChannel, EdgeDevice, MLModel, Package
from releases.modes.edge import bundles, channels, fleet, releasing, signing, smaller
from serving.edge.making import FULL, SMALLER

VARIANTS = (FULL, SMALLER)


class VersionShape(serializers.Serializer):
    package = serializers.IntegerField(read_only=True, allow_null=True, help_text="null: nothing")
    devices = serializers.IntegerField(read_only=True)
    failed = serializers.IntegerField(read_only=True, help_text="that could not run what they were offered")
    silent = serializers.IntegerField(read_only=True, help_text="that did not check in for a day")
    seconds = serializers.FloatField(read_only=True, allow_null=True, help_text="median time of a row on the device")


class ChannelShape(serializers.Serializer):
    channel = serializers.CharField(read_only=True)
    environment = serializers.CharField(read_only=True, help_text="whose live package it follows")
    on = serializers.BooleanField(read_only=True)
    package = serializers.IntegerField(read_only=True, allow_null=True, help_text="that all devices are offered")
    release = serializers.IntegerField(read_only=True, allow_null=True, help_text="on its way to the devices")
    share = serializers.FloatField(read_only=True, help_text="per cent of the devices that the release has reached")
    offer = serializers.IntegerField(read_only=True, help_text="number of the newest signed offer")
    versions = VersionShape(many=True, read_only=True)


class EdgeShape(serializers.Serializer):
    key = serializers.CharField(read_only=True, help_text="what devices trust: an Ed25519 public key in base64")
    channels = ChannelShape(many=True, read_only=True)


class BundleShape(serializers.ModelSerializer):
    package = serializers.IntegerField(source="package.number", read_only=True)

    class Meta:
        model = EdgeBundle
        fields = ["package", "variant", "bundle", "size", "tolerance", "apart", "memory", "seconds", "words", "made_at"]
        read_only_fields = fields


class BundlesShape(serializers.Serializer):
    why_not = serializers.CharField(read_only=True, help_text="why no device can run this package; empty where one can")
    bundles = BundleShape(many=True, read_only=True)


class VariantBody(Body):
    variant = serializers.ChoiceField(VARIANTS, required=False, help_text="full when left out")


class VariantQuery(Query):
    variant = serializers.ChoiceField(VARIANTS, required=False, help_text="full when left out")


class ShareStep(Body):
    weight = Real(help_text="per cent of the devices")
    seconds = Real(help_text="how long this step lasts at least")


class EdgeReleaseBody(Body):
    steps = ShareStep(many=True, required=False, help_text="1, 10, 50 % when left out; all devices follow")
    reason = Text(max_length=500, required=False, allow_blank=True)


class WithdrawBody(Body):
    reason = Text(max_length=500)


class ChannelBody(Body):
    on = Switch()


class DeviceShape(serializers.ModelSerializer):
    class Meta:
        model = EdgeDevice
        fields = ["name", "package", "bundle", "state", "words", "seconds", "memory", "first_at", "seen_at"]
        read_only_fields = fields


class DeviceQuery(Query):
    state = serializers.ChoiceField(EdgeDevice.State.choices, required=False)


class Edge(Endpoint):
    @extend_schema(responses=EdgeShape)
    def get(self, request: Request, name: str) -> Response:
        """Look at a model's channels, at what their devices run, and at the key that devices trust."""
        model = get_object_or_404(MLModel, name=name)
        return Response(EdgeShape({"key": signing.public_text(), "channels": shown(model)}).data)


class OneChannel(Endpoint):
    @extend_schema(request=ChannelBody, responses=ChannelShape)
    def post(self, request: Request, name: str, channel: str) -> Response:
        """Open a channel, or close it: then the model is off on its devices."""
        model = get_object_or_404(MLModel, name=name)
        found = channels.switch(actor=self.person, model=model, name=channel, on=self.body(ChannelBody)["on"])
        return Response(ChannelShape(next(each for each in shown(model) if each["channel"] == found.name)).data)


class EdgeRelease(Endpoint):
    @extend_schema(request=EdgeReleaseBody, responses={201: ReleaseShape})
    def post(self, request: Request, name: str, channel: str) -> Response:
        """Send what is live to the channel's devices, in steps."""
        given = self.body(EdgeReleaseBody)
        if "steps" in given:
            given["steps"] = [(step["weight"], step["seconds"]) for step in given["steps"]]
        release = releasing.start(actor=self.person, channel=channel_of(name, channel), **given)
        return created(_release(release.pk, request))


class Withdraw(Endpoint):
    @extend_schema(request=WithdrawBody, responses={201: ReleaseShape})
    def post(self, request: Request, name: str, channel: str) -> Response:
        """Give all devices the bundle before, at once."""
        given = self.body(WithdrawBody)
        release = releasing.withdraw(actor=self.person, channel=channel_of(name, channel), **given)
        return created(_release(release.pk, request))


class Devices(Listing):
    """The devices of a channel as they checked in last."""

    serializer_class = DeviceShape
    query = DeviceQuery

    def rows(self) -> QuerySet:
        found = channel_of(self.kwargs["name"], self.kwargs["channel"]).devices.order_by("name")
        return narrowed(found, self.given, {"state": "state"})


class Bundles(Endpoint):
    @extend_schema(responses=BundlesShape)
    def get(self, request: Request, name: str, number: str) -> Response:
        """Look at the bundles that were made of a package."""
        package = package_at(name, number)
        return Response(BundlesShape({"why_not": bundles.why_not(package), "bundles": made(package)}).data)

    @extend_schema(request=VariantBody, responses={201: BundleShape, 202: None})
    def post(self, request: Request, name: str, number: str) -> Response:
        """Make the bundle of a package; the smaller one is made beside (202), and is listed when it is there."""
        package = package_at(name, number)
        if self.body(VariantBody).get("variant") == SMALLER:
            smaller.ask(actor=self.person, package=package)
            return Response(status=202)
        return created(BundleShape(bundles.export(actor=self.person, package=package)).data)


class BundleZip(Endpoint):
    query = VariantQuery

    @extend_schema(responses={(200, "application/zip"): OpenApiTypes.BINARY})
    def get(self, request: Request, name: str, number: str) -> Any:
        """Fetch a bundle as a zip file."""
        variant = self.given.get("variant", FULL)
        found = bundles.archive(actor=self.person, package=package_at(name, number), variant=variant)
        if found is None:
            raise NotFound(f"No {variant} bundle of this package was made yet.")
        return FileResponse(found[1], as_attachment=True, filename=found[0], content_type="application/zip")


def made(package: Package) -> list[EdgeBundle]:
    """Return the newest bundle of each variant; of a smaller one that makes no sense, why."""
    found = (EdgeBundle.objects.filter(package=package, variant=variant).first() for variant in VARIANTS)
    return [each for each in found if each]


def shown(model: MLModel) -> list[dict[str, Any]]:
    """Return a model's channels as REST shows them."""
    rows = list(EdgeChannel.objects.filter(model=model).select_related("model", "environment", "bundle__package"))
    versions = fleet.versions(rows)
    return [
        {
            "channel": row.name,
            "environment": row.environment.name,
            "on": row.on,
            "package": row.bundle and row.bundle.package.number,
            "release": running and running.pk,
            "share": running.weight if running else 100.0,
            "offer": row.serial,
            "versions": [each for each in versions if each.channel.pk == row.pk],
        }
        for row in rows
        for running in [channels.coming(row)]
    ]


def channel_of(name: str, channel: str) -> EdgeChannel:
    """Return a channel by the names in its address; raises Http404."""
    rows = EdgeChannel.objects.select_related("model", "environment", "bundle__package")
    return get_object_or_404(rows, model__name=name, name=channel)


def package_at(name: str, number: str) -> Package:
    return get_object_or_404(Package.objects.select_related("model"), model__name=name, number=number)


def _release(pk: int, request: Request) -> Any:
    return ReleaseShape(every_release().get(pk=pk), context={"request": request}).data
