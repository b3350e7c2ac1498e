"""Environments: list, make, change, order, delete; their tables, and how far the gateways are with them."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from releases import gateways
from releases.actions import copies, environments
from releases.api.endpoint import Endpoint, Listing, created
from releases.api.parsing import Body, Named, Query, Switch, Text, Whole
from releases.api.shapes import Address, Name
from releases.models import Environment, PublishedTable

EVERY = Environment.objects.all()


class EnvironmentShape(serializers.ModelSerializer):
    url = Address("api-environment", {"name": "name"})

    class Meta:
        model = Environment
        fields = [
            "name",
            "url",
            "position",
            "description",
            "keyless",
            "developers_deploy",
            "needs_previous",
            "undoes_failed_smoke",
            "watch_seconds",
            "default_strategy",
            "requests_per_second",
            "generation",
            "copied_from",
            "created_at",
        ]
        read_only_fields = fields


class Settings(Body):
    description = Text(max_length=300, required=False, allow_blank=True)
    keyless = Switch(required=False, help_text="answer calls that carry no key")
    developers_deploy = Switch(required=False, help_text="developers may release here")
    needs_previous = Switch(required=False, help_text="a package must have been live one environment before")
    undoes_failed_smoke = Switch(required=False, help_text="roll back by itself when the smoke test fails")
    watch_seconds = Whole(min_value=0, required=False, help_text="how long a release is watched after the switch")
    default_strategy = Text(max_length=16, required=False, help_text="blue_green or recreate")
    requests_per_second = Whole(required=False, allow_null=True, help_text="limit; null for none")


class NewEnvironment(Settings):
    name = Text(max_length=63, help_text="small letters, digits and single dashes")
    copy_of = Named(EVERY, required=False, help_text="take the settings of this one")
    before = Named(EVERY, required=False, help_text="stand before this one in the order; else before the last one")
    last = Switch(required=False, help_text="stand last: calls without an environment in their address then go there")
    packages = Switch(required=False, help_text="also release there what is live in `copy_of`")


class OrderBody(Body):
    names = serializers.ListField(child=Text(max_length=63), max_length=1000, help_text="every name once, in order")


class Environments(Listing):
    """Every environment, in order."""

    serializer_class = EnvironmentShape

    def rows(self) -> QuerySet:
        return EVERY.all()

    @extend_schema(request=NewEnvironment, responses={201: EnvironmentShape})
    def post(self, request: Request) -> Response:
        """Make an environment, on its own or as a copy of another; routes and keys are never copied."""
        given = self.body(NewEnvironment)
        packages, source = given.pop("packages", False), given.get("copy_of")
        environment = environments.create(actor=self.person, **given)
        if packages and source:
            copies.bring(actor=self.person, source=source, target=environment)
        return created(_shown(environment, request))


class Order(Endpoint):
    @extend_schema(request=OrderBody, responses=EnvironmentShape(many=True))
    def post(self, request: Request) -> Response:
        """Put the environments into this order; promotion follows it."""
        environments.order(actor=self.person, **self.body(OrderBody))
        return Response(EnvironmentShape(EVERY.all(), many=True, context={"request": request}).data)


class OneEnvironment(Endpoint):
    @extend_schema(responses=EnvironmentShape)
    def get(self, request: Request, name: str) -> Response:
        """Look at one environment."""
        return Response(_shown(_environment(name), request))

    @extend_schema(request=Settings, responses=EnvironmentShape)
    def patch(self, request: Request, name: str) -> Response:
        """Change settings; what is not named stays."""
        environments.change(actor=self.person, environment=_environment(name), **self.body(Settings))
        return Response(_shown(_environment(name), request))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, name: str) -> Response:
        """Delete an environment that never held a release."""
        environments.delete(actor=self.person, environment=_environment(name))
        return Response(status=204)


class TableShape(serializers.ModelSerializer):
    environment = Name()
    body = serializers.SerializerMethodField(help_text="as the gateways got it, without hashes of keys and our own key")

    class Meta:
        model = PublishedTable
        fields = ["environment", "generation", "at", "cause", "content", "body"]
        read_only_fields = fields

    def get_body(self, table: PublishedTable) -> dict[str, Any]:
        clients = [key for key in table.body.get("keys", []) if not key.get("internal")]
        keys = [{name: value for name, value in key.items() if name not in ("hash", "internal")} for key in clients]
        return {**table.body, "keys": keys}


class Table(Endpoint):
    @extend_schema(responses=TableShape)
    def get(self, request: Request, name: str) -> Response:
        """Show the table that is published now."""
        table = _tables(_environment(name)).first()
        if table is None:
            raise NotFound("No table of this environment was published yet.")
        return Response(TableShape(table).data)


class TableQuery(Query):
    at = serializers.DateTimeField(required=False, help_text="only the table that was live at this time")


class Tables(Listing):
    """Every table that was ever published, newest first; with `at`, the one that was live then."""

    serializer_class = TableShape
    query = TableQuery

    def rows(self) -> QuerySet:
        tables = _tables(_environment(self.kwargs["name"]))
        if "at" not in self.given:
            return tables
        then = tables.filter(at__lte=self.given["at"]).values_list("pk", flat=True).first()
        return tables.filter(pk=then) if then else tables.none()


class AdoptionShape(serializers.Serializer):
    generation = serializers.IntegerField(read_only=True, help_text="the newest published table")
    known = serializers.BooleanField(read_only=True, help_text="false while Redis is away")
    gateways = serializers.IntegerField(read_only=True, help_text="how many live gateways serve the environment")
    adopted = serializers.IntegerField(read_only=True, help_text="how many of them serve the newest table")
    complete = serializers.BooleanField(read_only=True)
    troubles = serializers.ListField(child=serializers.CharField(), read_only=True, help_text="what gateways reported")


class Adoption(Endpoint):
    @extend_schema(responses=AdoptionShape)
    def get(self, request: Request, name: str) -> Response:
        """Ask how many gateways have adopted the newest table."""
        environment = _environment(name)
        found = gateways.adoption(environment.name, environment.generation, gateways.alive())
        names = ("known", "gateways", "adopted", "complete")
        shown = {"generation": environment.generation, "troubles": list(found.errors)}
        return Response(shown | {name: getattr(found, name) for name in names})


def _environment(name: str) -> Environment:
    return get_object_or_404(Environment, name=name)


def _tables(environment: Environment) -> QuerySet[PublishedTable]:
    return environment.tables.select_related("environment").order_by("-generation")


def _shown(environment: Environment, request: Request) -> Any:
    return EnvironmentShape(_environment(environment.name), context={"request": request}).data
