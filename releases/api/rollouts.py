"""A release on its way: steer it, read what the judge found, ask what other settings would have found, plan ahead."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from releases import judging
from releases.actions import steering
from releases.analysis.settings import Settings
from releases.api.endpoint import Endpoint, Listing
from releases.api.parsing import Body, Named, Query, Real, Switch, Text, Whole
from releases.api.releases import ReasonBody, ReleaseShape, StepBody, every_release, shown
from releases.errors import Refused
from releases.models import Environment, JudgedBatch, Judgement, MLModel, Release
from releases.queries import planning, quiet


class MaybeReasonBody(Body):
    reason = Text(max_length=500, required=False, allow_blank=True, help_text="stands in the history")


class WeightBody(MaybeReasonBody):
    weight = Real(help_text="the candidate's share in per cent, between 0 and 100")


class Pause(Endpoint):
    @extend_schema(request=MaybeReasonBody, responses=ReleaseShape)
    def post(self, request: Request, pk: str) -> Response:
        """Hold a release where it is; a fault still takes it back."""
        steering.pause(actor=self.person, release=_release(pk), **self.body(MaybeReasonBody))
        return Response(shown(int(pk), request))


class Resume(Endpoint):
    @extend_schema(request=MaybeReasonBody, responses=ReleaseShape)
    def post(self, request: Request, pk: str) -> Response:
        """Let a paused release go on."""
        steering.resume(actor=self.person, release=_release(pk), **self.body(MaybeReasonBody))
        return Response(shown(int(pk), request))


class Weight(Endpoint):
    @extend_schema(request=WeightBody, responses=ReleaseShape)
    def post(self, request: Request, pk: str) -> Response:
        """Give a canary another share of the traffic; it goes on from the step that this belongs to."""
        steering.set_weight(actor=self.person, release=_release(pk), **self.body(WeightBody))
        return Response(shown(int(pk), request))


class StepsBody(MaybeReasonBody):
    steps = StepBody(many=True, help_text="weight in per cent and seconds each")


class Steps(Endpoint):
    @extend_schema(request=StepsBody, responses=ReleaseShape)
    def post(self, request: Request, pk: str) -> Response:
        """Give a canary other steps while it runs; it keeps the share that it has."""
        given = self.body(StepsBody)
        steps = [(step["weight"], step["seconds"]) for step in given.pop("steps")]
        steering.set_steps(actor=self.person, release=_release(pk), steps=steps, **given)
        return Response(shown(int(pk), request))


class Promote(Endpoint):
    @extend_schema(request=ReasonBody, responses=ReleaseShape)
    def post(self, request: Request, pk: str) -> Response:
        """Give a canary all of the traffic now, whatever the judge has found so far."""
        steering.promote_now(actor=self.person, release=_release(pk), **self.body(ReasonBody))
        return Response(shown(int(pk), request))


class VerdictShape(serializers.ModelSerializer):
    class Meta:
        model = JudgedBatch
        fields = ["number", "at", "batch", "verdict", "state", "evidence"]
        read_only_fields = fields


class VerdictQuery(Query):
    after = Whole(min_value=0, required=False, help_text="only batches of a higher number")


class Verdicts(Listing):
    """Every batch of a release that was judged, with the verdict on all so far; oldest first."""

    serializer_class = VerdictShape
    query = VerdictQuery

    def rows(self) -> QuerySet:
        release = get_object_or_404(Release, pk=self.kwargs["pk"])
        found = release.batches.order_by("number")
        return found.filter(number__gt=self.given["after"]) if "after" in self.given else found


class JudgeShape(serializers.ModelSerializer):
    verdict = serializers.SerializerMethodField(help_text="the newest one, null before the first batch")

    class Meta:
        model = Judgement
        fields = ["settings", "minutes", "length", "began", "upto", "skipped", "verdict"]
        read_only_fields = fields

    def get_verdict(self, judgement: Judgement) -> dict[str, Any] | None:
        found = judging.newest(judgement.release)
        return found.to_json() if found else None


class Judge(Endpoint):
    @extend_schema(responses=JudgeShape)
    def get(self, request: Request, pk: str) -> Response:
        """Look at the judge of a release: its settings, and what it found last."""
        return Response(JudgeShape(_judgement(pk)).data)


class WhatIfBody(Body):
    """Settings of the judge by their names; those that are left out stay what they were."""

    def get_fields(self) -> dict[str, Any]:
        usual = Settings().to_json()
        given = {"drift", "check_routing"}
        numbers: dict[str, Any] = {name: Real(required=False) for name in usual if name not in given}
        numbers["check_routing"] = Switch(required=False)
        return numbers | {"drift": serializers.ChoiceField(["off", "hold", "rollback"], required=False)}


class WhatIfShape(serializers.Serializer):
    verdict = serializers.DictField(read_only=True, allow_null=True, help_text="the last one by these settings")
    batches = serializers.IntegerField(read_only=True, help_text="how many were judged again")
    same = serializers.BooleanField(read_only=True, help_text="it ends in the state that the record has")


class WhatIf(Endpoint):
    @extend_schema(request=WhatIfBody, responses=WhatIfShape)
    def post(self, request: Request, pk: str) -> Response:
        """Judge the stored batches again with other settings; the record stays as it is."""
        release = _judgement(pk).release
        try:
            found = judging.what_if(release, **self.body(WhatIfBody))
        except ValueError as error:
            raise Refused(str(error)) from error
        last, recorded = found[-1] if found else None, judging.newest(release)
        same = (last and last.state) == (recorded and recorded.state)
        return Response({"verdict": last.to_json() if last else None, "batches": len(found), "same": same})


class PlanQuery(Query):
    model = Named(MLModel.objects.all())
    environment = Named(Environment.objects.all())
    steps = Text(max_length=400, required=False, help_text='weight in per cent and minutes, such as "5:10, 25:30"')


class PlanShape(serializers.Serializer):
    rate = serializers.FloatField(read_only=True, help_text="requests a second, over the last day")
    base = serializers.FloatField(read_only=True, help_text="the error rate of what is live, 0 to 1")
    sentences = serializers.ListField(child=serializers.CharField(), read_only=True)
    least = serializers.FloatField(
        read_only=True, allow_null=True, help_text="the smallest error rate that is found in 95 of 100 cases; or null"
    )
    warning = serializers.CharField(read_only=True, help_text="why this plan can find nothing, or empty")


class Plan(Endpoint):
    query = PlanQuery

    @extend_schema(responses=PlanShape)
    def get(self, request: Request) -> Response:
        """Ask before the start what a canary would find, and when: by the traffic of the last day."""
        steps = planning.parsed(self.given["steps"]) if self.given.get("steps") else None
        found = planning.outlook(self.given["model"], self.given["environment"], steps)
        names = ("rate", "base", "sentences", "least", "warning")
        return Response({name: getattr(found, name) for name in names})


def _release(pk: str) -> Release:
    return get_object_or_404(every_release(), pk=pk)


def _judgement(pk: str) -> Judgement:
    release = _release(pk)
    found = Judgement.objects.select_related("release").filter(release=release).first()
    if found is None:
        raise NotFound(f"Release {release.pk} was not judged: only a share of the traffic can be.")
    return found


class QuietQuery(Query):
    model = Named(MLModel.objects.all())
    environment = Named(Environment.objects.all())


class WindowShape(serializers.Serializer):
    begins = serializers.DateTimeField(read_only=True)
    ends = serializers.DateTimeField(read_only=True)
    per_minute = serializers.FloatField(read_only=True, help_text="requests a minute in its busiest hour")
    seconds = serializers.FloatField(read_only=True, help_text="how long a recreate takes the model off")
    hit = serializers.FloatField(read_only=True, help_text="how many requests that would hit")
    words = serializers.CharField(read_only=True)


class QuietShape(serializers.Serializer):
    hours = serializers.IntegerField(read_only=True, help_text="hours of history")
    zone = serializers.CharField(read_only=True)
    rates = serializers.ListField(
        child=serializers.FloatField(allow_null=True),
        read_only=True,
        help_text="requests a minute in each of the 168 hours of a week from Monday 00:00; null where nothing is known",
    )
    window = WindowShape(read_only=True, allow_null=True, help_text="the quietest to come; null without history")


class QuietWindow(Endpoint):
    query = QuietQuery

    @extend_schema(responses=QuietShape)
    def get(self, request: Request) -> Response:
        """Ask when a model is called least, and how many requests a recreate would hit then."""
        week, window = quiet.proposed(self.given["model"], self.given["environment"])
        names = ("begins", "ends", "per_minute", "seconds", "hit", "words")
        shown = {name: getattr(window, name) for name in names} if window else None
        return Response({"hours": week.hours, "zone": str(week.zone), "rates": week.rates, "window": shown})
