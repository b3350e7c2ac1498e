"""Models: list, make, look at one, and compare two of its packages."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Count, Prefetch, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from releases.actions import comparing, gates, packages
from releases.agreement import rule_of
from releases.api.endpoint import Endpoint, Listing, created
from releases.api.parsing import Body, Query, Real, Text, Whole
from releases.api.shapes import Address, Person
from releases.models import MLModel, Risk, Route
from releases.queries import difference


class ModelShape(serializers.ModelSerializer):
    url = Address("api-model", {"name": "name"})
    packages = serializers.IntegerField(source="package_count", read_only=True, help_text="how many it has")
    live = serializers.SerializerMethodField(help_text='which package is live where, such as {"dev": 3}')
    agreement = serializers.SerializerMethodField(help_text="when two answers agree: limit, pairs, atol, rtol")
    created_by = Person()

    class Meta:
        model = MLModel
        fields = ["name", "url", "description", "risk", "packages", "live"]
        fields += ["deadline", "sticky", "tolerance", "agreement", "created_at", "created_by"]
        read_only_fields = fields

    def get_agreement(self, model: MLModel) -> dict[str, Any]:
        return rule_of(model.agreement).to_json()

    def get_live(self, model: MLModel) -> dict[str, int]:
        return {route.environment.name: route.stable.number for route in model.routes.all() if route.stable}


class ModelBody(Body):
    name = Text(max_length=63, help_text="small letters, digits and single dashes")
    description = Text(max_length=300, required=False, allow_blank=True, default="")
    risk = serializers.ChoiceField(
        Risk.choices,
        required=False,
        default=Risk.MEDIUM,
        help_text="how much its packages must show; only admins choose",
    )


class AgreementBody(Body):
    limit = Real(required=False, help_text="share of the pairs, between 0 and 1, that may disagree")
    pairs = Whole(required=False, help_text="how many must have been compared")
    atol = Real(required=False, help_text="two numbers agree that differ by no more than atol + rtol × the live one")
    rtol = Real(required=False, help_text="see atol; 0.05 is five per cent")


class ModelSettings(Body):
    risk = serializers.ChoiceField(Risk.choices, required=False, help_text="how much its packages must show")
    sticky = Text(
        max_length=100,
        required=False,
        allow_blank=True,
        help_text="input whose value decides which package answers; empty: chance decides",
    )
    tolerance = Real(required=False, help_text="seconds by which a candidate may be slower, to the judge")
    agreement = AgreementBody(required=False, help_text="when two answers agree, and what a comparison must show")


class ModelQuery(Query):
    name = Text(max_length=63, required=False, help_text="part of the name")


class Models(Listing):
    """Every model, by name."""

    serializer_class = ModelShape
    query = ModelQuery

    def rows(self) -> QuerySet:
        rows = every_model()
        return rows.filter(name__contains=self.given["name"]) if "name" in self.given else rows

    @extend_schema(request=ModelBody, responses={201: ModelShape})
    def post(self, request: Request) -> Response:
        """Make a model; packages are registered under its name."""
        model = packages.create_model(actor=self.person, **self.body(ModelBody))
        return created(ModelShape(every_model().get(pk=model.pk), context={"request": request}).data)


class Model(Endpoint):
    @extend_schema(responses=ModelShape)
    def get(self, request: Request, name: str) -> Response:
        """Look at one model."""
        model = get_object_or_404(every_model(), name=name)
        return Response(ModelShape(model, context={"request": request}).data)

    @extend_schema(request=ModelSettings, responses=ModelShape)
    def patch(self, request: Request, name: str) -> Response:
        """Say how much the model's packages must show, and how they share traffic and are compared."""
        model, given = get_object_or_404(MLModel, name=name), self.body(ModelSettings)
        with transaction.atomic():
            if "risk" in given:
                gates.set_risk(actor=self.person, model=model, risk=given.pop("risk"))
            if given:
                comparing.compare(actor=self.person, model=model, **given)
        return Response(ModelShape(every_model().get(pk=model.pk), context={"request": request}).data)


class DiffQuery(Query):
    def get_fields(self) -> dict[str, Any]:
        """`from` is a word of Python, so these two cannot be attributes."""
        return {"from": Whole(help_text="number of a package"), "to": Whole(help_text="number of a package")}


class DiffShape(serializers.Serializer):
    to = serializers.IntegerField(read_only=True)
    same = serializers.BooleanField(read_only=True, help_text="the same files, byte for byte")
    refuses = serializers.ListField(
        child=serializers.CharField(), read_only=True, help_text="what `to` refuses and `from` accepts"
    )
    rows = serializers.ListField(
        child=serializers.DictField(), read_only=True, help_text="what differs: {part, name, from, to}"
    )

    def get_fields(self) -> dict[str, Any]:
        return {"from": serializers.IntegerField(read_only=True), **super().get_fields()}


class Diff(Endpoint):
    query = DiffQuery

    @extend_schema(responses=DiffShape)
    def get(self, request: Request, name: str) -> Response:
        """Compare two packages: signature, files, runtime, versions, provenance."""
        model = get_object_or_404(MLModel, name=name)
        old, new = (get_object_or_404(model.packages, number=self.given[end]) for end in ("from", "to"))
        return Response(difference.between(old, new))


def every_model() -> QuerySet[MLModel]:
    routes = Prefetch("routes", Route.objects.select_related("environment", "stable"))
    counted = MLModel.objects.annotate(package_count=Count("packages", distinct=True))
    return counted.select_related("created_by").prefetch_related(routes).order_by("name")
