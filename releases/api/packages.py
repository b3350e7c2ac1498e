"""Packages: upload one, list them, look at one, delete one."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, Prefetch, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from releases.actions import packages
from releases.api.declaring import Constraints, Inputs
from releases.api.endpoint import Endpoint, Listing, narrowed
from releases.api.intakes import IntakeShape
from releases.api.parsing import Body, Form, Query, Text
from releases.api.shapes import Address, Name, Person
from releases.models import MLModel, Package, Route

HEAVY = ("signature", "manifest", "example", "provenance", "versions", "differences")
SUMMARY = [
    "model",
    "number",
    "url",
    "digest",
    "artefact",
    "format",
    "runtime",
    "runtime_reason",
    "size",
    "notes",
    "live",
    "created_at",
    "created_by",
]


class PackageRow(serializers.ModelSerializer):
    model = Name()
    url = Address("api-package", {"name": "model.name", "number": "number"})
    live = serializers.SerializerMethodField(help_text="the environments in which it is live")
    created_by = Person()

    class Meta:
        model = Package
        fields = SUMMARY
        read_only_fields = fields

    def get_live(self, package: Package) -> list[str]:
        return [route.environment.name for route in package.model.routes.all() if route.stable_id == package.pk]


class PackageShape(PackageRow):
    signature = serializers.DictField(read_only=True)
    manifest = serializers.ListField(child=serializers.DictField(), read_only=True, help_text="[{path, size, sha256}]")
    example = serializers.ListField(child=serializers.JSONField(), read_only=True, help_text="rows to call it with")
    provenance = serializers.DictField(read_only=True)
    versions = serializers.DictField(read_only=True, help_text="library versions: made with, served with")
    differences = serializers.DictField(read_only=True, help_text="how far ONNX and scikit-learn are apart")

    class Meta(PackageRow.Meta):
        fields = [*SUMMARY, "onnx_digest", "sandbox", *HEAVY]
        read_only_fields = fields


class PackageFilters(Query):
    digest = Text(max_length=71, required=False, help_text="sha256:…")
    live = Text(max_length=63, required=False, help_text="an environment in which it is live, or `*` for any")
    runtime = Text(max_length=16, required=False, help_text="onnx or sklearn")


class PackageQuery(PackageFilters):
    model = Text(max_length=63, required=False)


class Upload(Body):
    file = serializers.FileField(
        help_text="an MLflow model folder as .zip or .tar.gz, a .skops file, or an .onnx file", allow_empty_file=True
    )
    constraints = Constraints(required=False, help_text='limits: {"distance": {"gt": 0, "unit": "miles"}}')
    inputs = Inputs(required=False, help_text='where the files do not say: [{"name": "distance", "type": "double"}]')
    notes = Text(max_length=500, required=False, allow_blank=True)


class AllPackages(Listing):
    """Every package of every model."""

    serializer_class = PackageRow
    query = PackageQuery

    def rows(self) -> QuerySet:
        return _filtered(_rows(), self.given)


class ModelPackages(Listing):
    """The packages of one model, newest first."""

    serializer_class = PackageRow
    query = PackageFilters
    parser_classes = [Form]

    def rows(self) -> QuerySet:
        return _filtered(_rows().filter(model__name=_model(self.kwargs["name"]).name), self.given)

    @extend_schema(request=Upload, responses={202: IntakeShape})
    def post(self, request: Request, name: str) -> Response:
        """Upload a package. Answers at once with its intake; look there until `state` has ended.

        For CI: `curl -fsS -H "Authorization: Token $TOKEN" -F file=@model.zip $SLIPWAY/api/models/NAME/packages/`
        """
        model, given = _model(name), self.body(Upload)
        file = given.pop("file")
        intake = packages.register(
            actor=self.person, model=model, filename=file.name, chunks=file.chunks(), declared=given
        )
        return Response(IntakeShape(intake, context={"request": request}).data, 202)


class OnePackage(Endpoint):
    @extend_schema(responses=PackageShape)
    def get(self, request: Request, name: str, number: str) -> Response:
        """Look at one package: signature, files, provenance, where it is live."""
        return Response(PackageShape(_package(name, number), context={"request": request}).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, name: str, number: str) -> Response:
        """Delete a package that was never released."""
        packages.delete(actor=self.person, package=_package(name, number))
        return Response(status=204)


def _model(name: str) -> MLModel:
    return get_object_or_404(MLModel, name=name)


def _package(name: str, number: str) -> Package:
    return get_object_or_404(_with_places(), model__name=name, number=number)


def _with_places() -> QuerySet[Package]:
    routes = Prefetch("model__routes", Route.objects.select_related("environment"))
    return Package.objects.select_related("model", "created_by").prefetch_related(routes)


def _rows() -> QuerySet[Package]:
    return _with_places().defer(*HEAVY)


def _filtered(rows: QuerySet, given: dict[str, Any]) -> QuerySet:
    rows = narrowed(rows, given, {"model": "model__name", "digest": "digest", "runtime": "runtime"})
    if "live" not in given:
        return rows
    routes = Route.objects.filter(stable=OuterRef("pk"))
    return rows.filter(Exists(routes if given["live"] == "*" else routes.filter(environment__name=given["live"])))
