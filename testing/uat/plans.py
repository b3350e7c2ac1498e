"""Keep the plan of a model: its cases. Whatever changes it makes earlier signatures void."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from releases import capture
from releases.actions import audit, gates
from releases.errors import Conflict, Refused
from releases.models import MLModel
from releases.rights import SIGN_OFF, require
from serving.captured import Record
from testing.models import PlanCase
from testing.uat.expecting import Expectation

MOST = 200
ROW_MOST = 100_000
FIELDS = ("title", "row", "look_at", "expectation", "wanted", "tolerance", "least", "most")
KIND = "uat"


def add(*, actor: User | None, model: MLModel, values: Mapping[str, Any]) -> PlanCase:
    """Add a case at the end. Raises Forbidden, Refused with the field that is wrong, Conflict (too many)."""
    require(actor, SIGN_OFF)
    if model.plan_cases.count() >= MOST:
        raise Conflict(f"A plan has at most {MOST} cases.")
    case = PlanCase(model=model, created_at=timezone.now(), created_by=actor, **_checked(values))
    with transaction.atomic():
        case.save()
        _changed(model, actor, {"added": case.title})
    return case


def change(*, actor: User | None, case: PlanCase, values: Mapping[str, Any]) -> PlanCase:
    """Change a case; what is not named stays. Raises Forbidden, Refused."""
    require(actor, SIGN_OFF)
    old = {name: getattr(case, name) for name in FIELDS}
    new = _checked(old | dict(values))
    for name, value in new.items():
        setattr(case, name, value)
    with transaction.atomic():
        case.save()
        _changed(case.model, actor, {"changed": case.title})
    return case


def remove(*, actor: User | None, case: PlanCase) -> None:
    """Take a case out of the plan; sheets that have it keep their copy. Raises Forbidden."""
    require(actor, SIGN_OFF)
    with transaction.atomic():
        case.delete()
        _changed(case.model, actor, {"removed": case.title})


def digest(model: MLModel) -> str:
    """Return the SHA-256 of the plan: of every case, in their order."""
    cases = [{name: getattr(case, name) for name in FIELDS} for case in model.plan_cases.all()]
    return hashlib.sha256(json.dumps(cases, sort_keys=True).encode()).hexdigest()


def values(model: MLModel) -> dict[str, str]:
    """Return the plan as the settings of this kind, by which evidence knows it; none for a plan without cases."""
    return {"plan": digest(model)} if model.plan_cases.exists() else {}


def recorded(model: MLModel, environment: str = "production", most: int = 20) -> list[Record]:
    """Return real requests that a case can be made of: what was captured, without those that left a field out."""
    found = capture.read(model.name, environment, limit=most * 5)
    return [record for record in found if record.rows >= 1 and not record.left_out][:most]


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a case; raises Refused."""
    found = {name: values[name] for name in FIELDS if name in values}
    found["title"] = str(found.get("title", "")).strip()
    if not found["title"]:
        raise Refused("Say in business words what this case is about.", "title")
    if len(found["title"]) > 200:
        raise Refused("The title may have 200 characters.", "title")
    if len(json.dumps(found.get("row"))) > ROW_MOST or found.get("row") is None:
        raise Refused(f"Give one input; it may have {ROW_MOST} characters.", "row")
    blank = Expectation()
    kind = str(found.get("expectation") or blank.kind)
    wanted = str(found.get("wanted") or "").strip()
    limits = (found.get("tolerance"), found.get("least"), found.get("most"))
    Expectation(kind, wanted, *limits).check()
    return found | {"expectation": kind, "wanted": wanted[:200], "look_at": str(found.get("look_at") or "")[:1000]}


def _changed(model: MLModel, actor: User | None, details: dict[str, Any]) -> None:
    audit.record("uat.plan", model, actor=actor, model=model.name, details=details)
    gates.keep_suite(model, KIND, values(model))


def copied(case: PlanCase) -> dict[str, Any]:
    """Return what a sheet copies of a case."""
    return {name: getattr(case, name) for name in FIELDS}
