"""The addresses of suites and runs, included at `api/` before those of releases."""

from __future__ import annotations

from releases.api.urls import NAME, PK, at
from testing.api import runs, suites, uat

CASE = r"(?P<case>[0-9]{1,9})"
KIND = r"(?P<kind>[a-z]{1,16})"

urlpatterns = [
    at("suites/", suites.Suites, "suites"),
    at(f"models/{NAME}/suites/{KIND}/", suites.ModelSuite, "model-suite"),
    at("runs/", runs.Runs, "runs"),
    at(f"runs/{PK}/", runs.OneRun, "run"),
    at(f"runs/{PK}/cancel/", runs.Cancel, "run-cancel"),
    at(f"runs/{PK}/again/", runs.Again, "run-again"),
    at(f"runs/{PK}/junit/", runs.JUnit, "run-junit"),
    at(f"models/{NAME}/uat/", uat.Plan, "plan"),
    at(f"models/{NAME}/uat/{PK}/", uat.OneCaseOfPlan, "plan-case"),
    at("uat/", uat.Waiting, "uat"),
    at("uat/sheets/", uat.Sheets, "sheets"),
    at(f"uat/sheets/{PK}/", uat.OneSheet, "sheet"),
    at(f"uat/sheets/{PK}/ask/", uat.Ask, "sheet-ask"),
    at(f"uat/sheets/{PK}/own/", uat.Own, "sheet-own"),
    at(f"uat/sheets/{PK}/cases/{CASE}/", uat.OneCase, "sheet-case"),
    at(f"uat/sheets/{PK}/cases/{CASE}/files/", uat.Files, "sheet-files"),
    at(f"uat/sheets/{PK}/sign/", uat.Sign, "sheet-sign"),
    at(f"uat/sheets/{PK}/reject/", uat.Reject, "sheet-reject"),
]
