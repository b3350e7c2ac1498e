"""Intakes: the report of each upload, its steps as they happen."""

from __future__ import annotations

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from releases.api.endpoint import Endpoint, Listing, narrowed
from releases.api.parsing import Query, Text
from releases.api.shapes import Address, Name, Number, Person
from releases.models import Intake

STEP_STATES = ["running", "passed", "refused", "skipped"]


class StepShape(serializers.Serializer):
    name = serializers.CharField(read_only=True)
    state = serializers.ChoiceField(STEP_STATES, read_only=True)
    detail = serializers.CharField(read_only=True)
    seconds = serializers.FloatField(read_only=True)


class IntakeShape(serializers.ModelSerializer):
    url = Address("api-intake", {"pk": "pk"})
    model = Name()
    steps = StepShape(many=True, read_only=True)
    package = Number(allow_null=True, help_text="the number it got, once it is accepted")
    package_url = serializers.SerializerMethodField(help_text="where the package stands, once it is accepted")
    created_by = Person()

    class Meta:
        model = Intake
        fields = [
            "id",
            "url",
            "model",
            "state",
            "filename",
            "steps",
            "reason",
            "package",
            "package_url",
            "was_known",
            "attempts",
            "created_at",
            "ended_at",
            "created_by",
        ]
        read_only_fields = fields

    def get_package_url(self, intake: Intake) -> str | None:
        if intake.package is None:
            return None
        values = {"name": intake.model.name, "number": intake.package.number}
        return str(reverse("api-package", kwargs=values, request=self.context.get("request")))


class IntakeQuery(Query):
    model = Text(max_length=63, required=False)
    state = serializers.ChoiceField(Intake.State.choices, required=False)


class Intakes(Listing):
    """Every upload, newest first."""

    serializer_class = IntakeShape
    query = IntakeQuery

    def rows(self) -> QuerySet:
        return narrowed(every_intake(), self.given, {"model": "model__name", "state": "state"})


class OneIntake(Endpoint):
    @extend_schema(responses=IntakeShape)
    def get(self, request: Request, pk: str) -> Response:
        """Look at one upload: its steps so far, why it was refused, or which package it became."""
        intake = get_object_or_404(every_intake(), pk=pk)
        return Response(IntakeShape(intake, context={"request": request}).data)


def every_intake() -> QuerySet[Intake]:
    return Intake.objects.select_related("model", "package", "created_by")
