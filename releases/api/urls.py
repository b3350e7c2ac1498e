"""Every address of the REST API, included at `api/`; their patterns let no odd text through to a query."""

from __future__ import annotations

from django.urls import URLPattern, re_path

from releases.api import (
    audit,
    batches,
    capture,
    choosing,
    comparisons,
    docs,
    environments,
    freezes,
    intakes,
    keys,
    line,
    models,
    packages,
    releases,
    rollouts,
    routes,
    rules,
    streams,
    tokens,
    traffic,
)
from releases.api.endpoint import Endpoint

NAME = r"(?P<name>[a-z0-9][a-z0-9-]{0,62})"
NUMBER = r"(?P<number>[0-9]{1,9})"
PK = r"(?P<pk>[0-9]{1,18})"


def at(route: str, view: type[Endpoint] | type[docs.Document] | type[docs.Docs], name: str) -> URLPattern:
    return re_path(rf"^{route}\Z", view.as_view(), name=f"api-{name}")


urlpatterns = [
    at("schema/", docs.Document, "schema"),
    at("docs/", docs.Docs, "docs"),
    at("me/", tokens.Me, "me"),
    at("tokens/", tokens.Tokens, "tokens"),
    at(f"tokens/{PK}/", tokens.OneToken, "token"),
    at("models/", models.Models, "models"),
    at(f"models/{NAME}/", models.Model, "model"),
    at(f"models/{NAME}/diff/", models.Diff, "diff"),
    at(f"models/{NAME}/serving-mode/", choosing.ServingMode, "serving-mode"),
    at(f"models/{NAME}/rollback/", releases.RollbackModel, "model-rollback"),
    at(f"models/{NAME}/capture/", capture.Capture, "model-capture"),
    at(f"models/{NAME}/capture/files/", capture.Files, "model-capture-files"),
    at(f"models/{NAME}/capture/records/", capture.Records, "model-capture-records"),
    at(f"models/{NAME}/packages/", packages.ModelPackages, "model-packages"),
    at(f"models/{NAME}/packages/{NUMBER}/", packages.OnePackage, "package"),
    at("packages/", packages.AllPackages, "packages"),
    at("intakes/", intakes.Intakes, "intakes"),
    at(f"intakes/{PK}/", intakes.OneIntake, "intake"),
    at("releases/", releases.Releases, "releases"),
    at(f"releases/{PK}/", releases.OneRelease, "release"),
    at(f"releases/{PK}/abort/", releases.Abort, "release-abort"),
    at(f"releases/{PK}/override/", releases.Overriding, "release-override"),
    at(f"releases/{PK}/consent/", releases.Consent, "release-consent"),
    at(f"releases/{PK}/rollback/", releases.RollbackRelease, "release-rollback"),
    at(f"releases/{PK}/pause/", rollouts.Pause, "release-pause"),
    at(f"releases/{PK}/resume/", rollouts.Resume, "release-resume"),
    at(f"releases/{PK}/weight/", rollouts.Weight, "release-weight"),
    at(f"releases/{PK}/steps/", rollouts.Steps, "release-steps"),
    at(f"releases/{PK}/promote/", rollouts.Promote, "release-promote"),
    at(f"releases/{PK}/judge/", rollouts.Judge, "release-judge"),
    at(f"releases/{PK}/verdicts/", rollouts.Verdicts, "release-verdicts"),
    at(f"releases/{PK}/what-if/", rollouts.WhatIf, "release-what-if"),
    at(f"releases/{PK}/end/", comparisons.End, "release-end"),
    at(f"releases/{PK}/comparison/", comparisons.Comparison, "release-comparison"),
    at("plan/", rollouts.Plan, "plan"),
    at("quiet/", rollouts.QuietWindow, "quiet"),
    at("batches/", batches.Batches, "batches"),
    at("batches/schedules/", batches.Schedules, "batch-schedules"),
    at(f"batches/schedules/{PK}/", batches.OneSchedule, "batch-schedule"),
    at(f"batches/{PK}/", batches.OneBatch, "batch"),
    at(f"batches/{PK}/cancel/", batches.BatchCancel, "batch-cancel"),
    at(f"batches/{PK}/again/", batches.BatchAgain, "batch-again"),
    at(f"batches/{PK}/comparison/", batches.BatchComparison, "batch-comparison"),
    at("streams/", streams.Streams, "streams"),
    at("streams/letters/", streams.Letters, "stream-letters"),
    at("streams/replay/", streams.StreamReplay, "stream-replay"),
    at("line/", line.Line, "line"),
    at("line/stop/", line.Stop, "line-stop"),
    at("line/go-on/", line.GoOn, "line-go-on"),
    at("gates/", releases.Gates, "gates"),
    at("routes/", routes.Routes, "routes"),
    at("environments/", environments.Environments, "environments"),
    at("environments/order/", environments.Order, "environment-order"),
    at(f"environments/{NAME}/", environments.OneEnvironment, "environment"),
    at(f"environments/{NAME}/gates/", rules.Rules, "environment-gates"),
    at(f"environments/{NAME}/freezes/", freezes.Freezes, "environment-freezes"),
    at(f"environments/{NAME}/freezes/{PK}/", freezes.OneFreeze, "environment-freeze"),
    at(f"environments/{NAME}/table/", environments.Table, "environment-table"),
    at(f"environments/{NAME}/tables/", environments.Tables, "environment-tables"),
    at(f"environments/{NAME}/adoption/", environments.Adoption, "environment-adoption"),
    at("keys/", keys.Keys, "keys"),
    at(f"keys/{PK}/", keys.OneKey, "key"),
    at(f"keys/{PK}/rotate/", keys.Rotate, "key-rotate"),
    at(f"keys/{PK}/end-old/", keys.EndOld, "key-end-old"),
    at(f"keys/{PK}/revoke/", keys.Revoke, "key-revoke"),
    at("audit/", audit.Audit, "audit"),
    at("audit/check/", audit.Check, "audit-check"),
    at("traffic/", traffic.Traffic, "traffic"),
    # Last, so that no other part's addresses may come after this file in the list of all addresses under `api/`.
    re_path(r"^[\s\S]*\Z", docs.Nowhere.as_view(), name="api-nowhere"),
]
