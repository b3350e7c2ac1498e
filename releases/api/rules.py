"""What an environment asks of packages, by risk and by model: look at it and change it."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from releases.actions import gates
from releases.actions.gates import MOST_DAYS, MOST_HOURS, Asked
from releases.api.endpoint import Endpoint
from releases.api.parsing import Body, Named, Query, Text, Whole
from releases.api.shapes import Name
from releases.models import Environment, MLModel, Risk, Rule
from releases.wants import KINDS


class WantShape(serializers.Serializer):
    kind = serializers.ChoiceField(list(KINDS), read_only=True)
    where = serializers.CharField(source="where.name", read_only=True, help_text="the environment it must have run in")
    most_days = serializers.IntegerField(read_only=True, allow_null=True, help_text="how old the result may be")


class RuleShape(serializers.ModelSerializer):
    model = Name(allow_null=True)
    wants = WantShape(many=True, read_only=True)

    class Meta:
        model = Rule
        fields = ["risk", "model", "least_hours", "wants"]
        read_only_fields = fields


class WantBody(Body):
    kind = serializers.ChoiceField(list(KINDS))
    where = Text(max_length=63, help_text="the environment it must have run in")
    most_days = Whole(max_value=MOST_DAYS, required=False, allow_null=True, help_text="how old the result may be")


class RuleBody(Body):
    risk = serializers.ChoiceField(Risk.choices, required=False, help_text="for all models of this risk")
    model = Named(MLModel.objects.all(), required=False, help_text="for this model alone")
    least_hours = serializers.FloatField(
        min_value=0, max_value=MOST_HOURS, required=False, help_text="how long live one environment before"
    )
    wants = WantBody(many=True)


class WhoseQuery(Query):
    model = Named(MLModel.objects.all(), required=False, help_text="only this model's own rule")


class WhoseBody(Body):
    model = Named(MLModel.objects.all(), help_text="whose own rule goes away")


class Rules(Endpoint):
    query = WhoseQuery

    @extend_schema(responses=RuleShape(many=True))
    def get(self, request: Request, name: str) -> Response:
        """List what the environment asks, by risk and by model."""
        rules = _rules(get_object_or_404(Environment, name=name))
        if "model" in self.given:
            rules = rules.filter(model=self.given["model"])
        return Response(RuleShape(rules, many=True).data)

    @extend_schema(request=RuleBody, responses=RuleShape)
    def post(self, request: Request, name: str) -> Response:
        """State what packages of a risk, or of one model, must have shown; replaces the rule that was there."""
        given = self.body(RuleBody)
        wants = [Asked(**want) for want in given.pop("wants")]
        environment = get_object_or_404(Environment, name=name)
        rule = gates.set_rule(actor=self.person, environment=environment, wants=wants, **given)
        return Response(_shown(rule))

    @extend_schema(request=WhoseBody, responses={204: None})
    def delete(self, request: Request, name: str) -> Response:
        """Take a model's own rule away; that of its risk holds again."""
        environment = get_object_or_404(Environment, name=name)
        gates.drop_rule(actor=self.person, environment=environment, **self.body(WhoseBody))
        return Response(status=204)


def _rules(environment: Environment) -> QuerySet[Rule]:
    return environment.rules.select_related("model").prefetch_related("wants__where")


def _shown(rule: Rule) -> Any:
    return RuleShape(_rules(rule.environment).get(pk=rule.pk)).data
