"""Releases: start one, look at it, stop it, roll it back; and what stands in the way of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from releases import gates, lifecycle
from releases.actions import gates as overriding
from releases.actions import releases, rollbacks, shadows, steering
from releases.api.endpoint import Endpoint, Listing, created, narrowed, package_of
from releases.api.parsing import Body, Named, Query, Real, Switch, Text, Whole
from releases.api.shapes import Address, Name, Number, Person
from releases.models import Environment, Event, MLModel, Override, Release
from releases.strategies import EVERY

STRATEGY_NAMES = ", ".join(EVERY)
FIELDS = [
    "id",
    "url",
    "model",
    "package",
    "digest",
    "environment",
    "strategy",
    "state",
    "weight",
    "stable_weight",
    "step",
    "plan",
    "control",
    "replaces",
    "rolls_back",
    "reason",
    "note",
    "start_at",
    "hotfix",
    "paused_at",
    "created_at",
    "created_by",
    "state_since",
    "switched_at",
    "off_at",
    "on_at",
    "ended_at",
    "retired_at",
]


OF_SHADOW = frozenset({"share", "pairs", "seconds", "recorded"})
WITHOUT_SHADOW = frozenset({"start_at", "override", "steps", "through", "quiet"})


class GateShape(serializers.Serializer):
    name = serializers.CharField(read_only=True)
    verdict = serializers.ChoiceField(
        ["pass", "fail", "hold", "overridden"], read_only=True, help_text="hold: a release waits for it"
    )
    words = serializers.CharField(read_only=True, help_text="the same in a sentence")
    url = serializers.CharField(read_only=True, help_text="the page with the evidence or that mends it, or empty")
    kind = serializers.CharField(read_only=True, help_text="kind of the suite, empty for other conditions")
    where = serializers.CharField(read_only=True, help_text="the environment in which the suite must have run")
    missing = serializers.BooleanField(read_only=True, help_text="no result counts; it starts by itself")


class EventShape(serializers.ModelSerializer):
    actor = Person()

    class Meta:
        model = Event
        fields = ["at", "action", "old_state", "new_state", "weight", "reason", "actor"]
        read_only_fields = fields


class OverrideShape(serializers.ModelSerializer):
    asked_by, consented_by = Person(), Person()

    class Meta:
        model = Override
        fields = ["gates", "reason", "asked_at", "asked_by", "consented_at", "consented_by"]
        read_only_fields = fields


class ReleaseRow(serializers.ModelSerializer):
    url = Address("api-release", {"pk": "pk"})
    model = Name()
    package = Number(allow_null=True, help_text="null: the model was switched off")
    digest = serializers.CharField(source="package.digest", read_only=True, allow_null=True, default=None)
    environment = Name()
    replaces = Number(allow_null=True, help_text="what was live before")
    created_by = Person()

    class Meta:
        model = Release
        fields = FIELDS
        read_only_fields = fields


class ReleaseShape(ReleaseRow):
    events = EventShape(many=True, read_only=True)
    gates = serializers.SerializerMethodField(help_text="what it must meet, and whether it does")
    legal = serializers.SerializerMethodField(help_text="the moves that its state allows")
    override = OverrideShape(read_only=True, allow_null=True, default=None)
    actions = serializers.SerializerMethodField(help_text="what can be called now, each with its address")

    class Meta(ReleaseRow.Meta):
        fields = [*FIELDS, "events", "gates", "override", "legal", "actions"]
        read_only_fields = fields

    @extend_schema_field(GateShape(many=True))
    def get_gates(self, release: Release) -> list[dict[str, Any]]:
        found = gates.check(release.package, release.environment, release) if release.package else []
        return [asdict(gate) for gate in found]

    def get_legal(self, release: Release) -> list[str]:
        return lifecycle.legal(release.state)

    def get_actions(self, release: Release) -> dict[str, str]:
        stops = "abort" in lifecycle.legal(release.state) and not release.is_rollback
        able = {"abort": stops, "rollback": rollbacks.is_current(release)}
        able |= dict.fromkeys(steering.legal(release), True)
        return {
            action: reverse(f"api-release-{action}", args=[release.pk], request=self.context.get("request"))
            for action, possible in able.items()
            if possible
        }


class ReleaseQuery(Query):
    model = Text(max_length=63, required=False)
    environment = Text(max_length=63, required=False)
    state = serializers.ChoiceField(Release.State.choices, required=False)
    package = Whole(required=False, help_text="number of a package")
    since = serializers.DateTimeField(required=False, help_text="made at or after this time")


class StepBody(Body):
    weight = Real(help_text="the candidate's share in per cent, between 0 and 100")
    seconds = Real(help_text="how long the step lasts")


class ReleaseBody(Body):
    model = Named(MLModel.objects.all())
    package = Whole(help_text="number of the package")
    environment = Named(Environment.objects.all())
    strategy = Text(max_length=16, required=False, help_text=f"{STRATEGY_NAMES}; else the environment's own")
    reason = Text(max_length=500, required=False, allow_blank=True)
    start_at = serializers.DateTimeField(required=False, allow_null=True, help_text="not before this time")
    override = Text(
        max_length=500,
        required=False,
        help_text="why suites that failed shall not hold it; a second person must consent",
    )
    hotfix = Text(max_length=500, required=False, help_text="why it may move although the line is stopped")
    steps = StepBody(many=True, required=False, help_text="of a canary; left out: 1, 5, 25 and 50 % in an hour")
    quiet = Switch(required=False, help_text="of a recreate: wait for the window in which it would hit the fewest")
    share = Real(required=False, help_text="of a shadow: per cent of the requests that it answers too; else all")
    pairs = Whole(required=False, help_text="of a shadow: it ends after so many; else after those the model asks for")
    seconds = Real(required=False, help_text="of a shadow: it ends after so long; else after a day")
    recorded = Switch(required=False, help_text="of a shadow: captured requests instead of those that come in")
    through = Switch(required=False, help_text="also through the environments before; each release waits for its gates")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("through") and {"strategy", "start_at", "override", "steps", "hotfix", "quiet"} & attrs.keys():
            words = "It takes no strategy, steps, start time or override: each release on the way has its own."
            raise serializers.ValidationError({"through": [words]})
        shadow = attrs.get("strategy") == "shadow"
        strange = (WITHOUT_SHADOW if shadow else OF_SHADOW) & attrs.keys()
        if strange:
            words = "A shadow takes none." if shadow else "Only a shadow takes it."
            raise serializers.ValidationError({name: [words] for name in sorted(strange)})
        return attrs


class ReasonBody(Body):
    reason = Text(max_length=500, help_text="stands in the history")


class TakeBackBody(ReasonBody):
    off = serializers.BooleanField(required=False, help_text="it may go off where no package is left to return to")


class RollbackBody(TakeBackBody):
    environment = Named(Environment.objects.all())
    package = Whole(required=False, help_text="number of the package to return to; else the one that was live before")
    leaving = Whole(required=False, help_text="number of the package to leave; 409 when another one decides by now")


class Releases(Listing):
    """Every release, newest first."""

    serializer_class = ReleaseRow
    query = ReleaseQuery

    def rows(self) -> QuerySet:
        lookups = {
            "model": "model__name",
            "environment": "environment__name",
            "state": "state",
            "package": "package__number",
            "since": "created_at__gte",
        }
        return narrowed(every_release(), self.given, lookups)

    @extend_schema(request=ReleaseBody, responses={201: ReleaseShape})
    def post(self, request: Request) -> Response:
        """Start a release: one package into one environment."""
        given = self.body(ReleaseBody)
        package = package_of(given.pop("model"), given.pop("package"))
        if "steps" in given:
            given["steps"] = [(step["weight"], step["seconds"]) for step in given["steps"]]
        release = _verb(given)(actor=self.person, package=package, **given)
        return created(shown(release.pk, request))


def _verb(given: dict[str, Any]) -> Callable[..., Release]:
    """Take out what says which verb is asked for, and return it."""
    if given.get("strategy") == "shadow":
        del given["strategy"]
        return shadows.start
    return releases.send if given.pop("through", False) else releases.promote


class OneRelease(Endpoint):
    @extend_schema(responses=ReleaseShape)
    def get(self, request: Request, pk: str) -> Response:
        """Look at one release: its events, its gates, and what may be done with it."""
        get_object_or_404(Release, pk=pk)
        return Response(shown(int(pk), request))


class Abort(Endpoint):
    @extend_schema(request=ReasonBody, responses=ReleaseShape)
    def post(self, request: Request, pk: str) -> Response:
        """Stop a release before its switch has finished; the live package keeps the traffic."""
        release = get_object_or_404(every_release(), pk=pk)
        releases.abort(actor=self.person, release=release, **self.body(ReasonBody))
        return Response(shown(release.pk, request))


class Overriding(Endpoint):
    @extend_schema(request=ReasonBody, responses=ReleaseShape)
    def post(self, request: Request, pk: str) -> Response:
        """Ask that the gates a waiting release has not met shall not hold it; a second person must consent."""
        release = get_object_or_404(every_release(), pk=pk)
        overriding.ask_override(actor=self.person, release=release, **self.body(ReasonBody))
        return Response(shown(release.pk, request))


class Consent(Endpoint):
    @extend_schema(request=None, responses=ReleaseShape)
    def post(self, request: Request, pk: str) -> Response:
        """Agree, as a second person, to the override that was asked for."""
        release = get_object_or_404(every_release(), pk=pk)
        overriding.consent(actor=self.person, release=release)
        return Response(shown(release.pk, request))


class RollbackRelease(Endpoint):
    @extend_schema(request=TakeBackBody, responses=ReleaseShape)
    def post(self, request: Request, pk: str) -> Response:
        """Take this release back; answers the release that decides now. Nothing ever holds this."""
        release = get_object_or_404(every_release(), pk=pk)
        back = rollbacks.take_back(actor=self.person, release=release, **self.body(TakeBackBody))
        return Response(shown(back.pk, request))


class RollbackModel(Endpoint):
    @extend_schema(request=RollbackBody, responses=ReleaseShape)
    def post(self, request: Request, name: str) -> Response:
        """Give the traffic back to the package before, or to the named one; answers the release that decides now."""
        model, given = get_object_or_404(MLModel, name=name), self.body(RollbackBody)
        named: dict[str, Any] = {
            name: package_of(model, given.pop(name)) for name in ("package", "leaving") if given.get(name)
        }
        release = rollbacks.roll_back(actor=self.person, model=model, **named, **given)
        return Response(shown(release.pk, request))


class GateQuery(Query):
    model = Named(MLModel.objects.all())
    package = Whole(help_text="number of the package")
    environment = Named(Environment.objects.all())


class GatesShape(serializers.Serializer):
    met = serializers.BooleanField(read_only=True, help_text="nothing stands in the way")
    gates = GateShape(many=True, read_only=True)


class Gates(Endpoint):
    query = GateQuery

    @extend_schema(responses=GatesShape)
    def get(self, request: Request) -> Response:
        """Ask what stands between a package and an environment."""
        package = package_of(self.given["model"], self.given["package"])
        found = gates.check(package, self.given["environment"])
        return Response({"met": all(gate.met for gate in found), "gates": [asdict(gate) for gate in found]})


def every_release() -> QuerySet[Release]:
    return Release.objects.select_related("model", "package__model", "environment", "replaces", "created_by")


def shown(pk: int, request: Request) -> Any:
    release = every_release().prefetch_related("events__actor").get(pk=pk)
    return ReleaseShape(release, context={"request": request}).data
