"""Runs: list, start, look at one, cancel, run again, and take away as JUnit XML."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from releases.api.endpoint import Endpoint, Listing, created, narrowed, package_of
from releases.api.parsing import Body, Named, Query, Text, Whole
from releases.api.shapes import Address, Name, Number, Person
from releases.models import Environment, MLModel
from releases.wants import KINDS
from testing import actions, queries
from testing.export import junit
from testing.models import Case, Run

FIELDS = [
    "id",
    "url",
    "kind",
    "state",
    "model",
    "package",
    "digest",
    "environment",
    "settings_digest",
    "cause",
    "started_by",
    "again_of",
    "reason",
    "attempts",
    "sandbox",
    "created_at",
    "started_at",
    "ended_at",
]


class CaseShape(serializers.ModelSerializer):
    class Meta:
        model = Case
        fields = ["number", "name", "outcome", "seconds", "message", "evidence"]
        read_only_fields = fields


class FigureShape(serializers.Serializer):
    name = serializers.CharField(read_only=True)
    value = serializers.FloatField(read_only=True)
    unit = serializers.CharField(read_only=True)
    limit = serializers.FloatField(read_only=True, allow_null=True)
    holds = serializers.BooleanField(read_only=True)


class RunRow(serializers.ModelSerializer):
    url = Address("api-run", {"pk": "pk"})
    model = serializers.CharField(source="package.model.name", read_only=True)
    package = Number()
    environment = Name()
    started_by = Person(help_text="null: Slipway itself, for the cause")

    class Meta:
        model = Run
        fields = FIELDS
        read_only_fields = fields


class RunShape(RunRow):
    cases = serializers.SerializerMethodField()
    figures = FigureShape(many=True, read_only=True)
    cancelled_by = Person()

    class Meta(RunRow.Meta):
        fields = [*FIELDS, "values", "expected", "at_work", "cancelled_by", "cases", "figures", "charts", "log"]
        read_only_fields = fields

    @extend_schema(responses=CaseShape(many=True))
    def get_cases(self, run: Run) -> list[dict[str, Any]]:
        return list(CaseShape(queries.cases(run), many=True).data)


class RunQuery(Query):
    model = Text(max_length=63, required=False)
    environment = Text(max_length=63, required=False)
    kind = serializers.ChoiceField(list(KINDS), required=False)
    state = serializers.ChoiceField(Run.State.choices, required=False)
    package = Whole(required=False, help_text="number of a package")


class RunBody(Body):
    model = Named(MLModel.objects.all())
    package = Whole(help_text="number of the package")
    environment = Named(Environment.objects.all())
    kind = serializers.ChoiceField(list(KINDS))


class Runs(Listing):
    """Every run, newest first."""

    serializer_class = RunRow
    query = RunQuery

    def rows(self) -> QuerySet:
        lookups = {
            "model": "package__model__name",
            "environment": "environment__name",
            "kind": "kind",
            "state": "state",
            "package": "package__number",
        }
        return narrowed(queries.every_run(), self.given, lookups)

    @extend_schema(request=RunBody, responses={201: RunShape})
    def post(self, request: Request) -> Response:
        """Start a suite on a package in an environment, with the model's settings of today."""
        given = self.body(RunBody)
        package = package_of(given.pop("model"), given.pop("package"))
        return created(_shown(actions.start(actor=self.person, package=package, **given), request))


class OneRun(Endpoint):
    @extend_schema(responses=RunShape)
    def get(self, request: Request, pk: str) -> Response:
        """Look at one run: its cases, figures and log, also while it runs."""
        return Response(_shown(get_object_or_404(Run, pk=pk), request))


class Cancel(Endpoint):
    @extend_schema(request=None, responses=RunShape)
    def post(self, request: Request, pk: str) -> Response:
        """Stop a run; a running one ends at its next look, a second or two later."""
        run = get_object_or_404(queries.every_run(), pk=pk)
        return Response(_shown(actions.cancel(actor=self.person, run=run), request))


class Again(Endpoint):
    @extend_schema(request=None, responses={201: RunShape})
    def post(self, request: Request, pk: str) -> Response:
        """Start the same suite on the same package again, with today's settings."""
        run = get_object_or_404(queries.every_run(), pk=pk)
        return created(_shown(actions.again(actor=self.person, run=run), request))


class JUnit(Endpoint):
    @extend_schema(responses={(200, "application/xml"): OpenApiTypes.STR})
    def get(self, request: Request, pk: str) -> HttpResponse:
        """Take the cases away as JUnit XML, as CI servers read it."""
        run = get_object_or_404(queries.every_run(), pk=pk)
        answer = HttpResponse(junit(run, queries.cases(run)), content_type="application/xml")
        answer["Content-Disposition"] = f'attachment; filename="{run.kind}-run-{run.pk}.xml"'
        return answer


def _shown(run: Run, request: Request) -> Any:
    return RunShape(queries.every_run().get(pk=run.pk), context={"request": request}).data
