"""Work on a sheet: open it, ask its cases, mark them, try own inputs, attach what was seen. Nothing is lost between."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from releases.actions import audit
from releases.errors import Conflict, Refused
from releases.models import Environment, Package, Route
from releases.queries.wanted import is_live
from releases.rights import SIGN_OFF, require
from releases.wants import PRODUCTION
from testing import target
from testing.client import GatewayError
from testing.models import Attachment, PlanCase, Sheet, SheetCase
from testing.suites import asking
from testing.target import NoGateway
from testing.uat import expecting, plans

CASES_MOST = 400
ASK_SECONDS, ANSWER_SECONDS = (
    15.0,
    5.0,
)  # a page waits for all of them; a gateway that is away must not hold it for minutes
ATTACHMENTS_MOST, ATTACHMENT_BYTES, NAME_MOST = 10, 2 * 1024 * 1024, 120
TOO_LARGE = f"A file may have {ATTACHMENT_BYTES // 1024 // 1024} MiB."


def start(*, actor: User, package: Package, environment: Environment) -> Sheet:
    """Open the sheet of a package, or go on with the open one; it copies the plan as it is now.

    Raises Forbidden, Conflict (the package does not answer there).
    """
    require(actor, SIGN_OFF)
    found = Sheet.objects.filter(package=package, environment=environment, state=Sheet.State.OPEN).first()
    if found:
        return found
    if not is_live(package, environment):
        raise Conflict(f"Package {package.number} is not live in {environment.name}, so nothing can be tried there.")
    try:
        with transaction.atomic():
            sheet = Sheet.objects.create(
                package=package,
                environment=environment,
                digest=package.digest,
                plan_digest=plans.digest(package.model),
                created_at=timezone.now(),
                created_by=actor,
            )
            _copy(sheet, list(package.model.plan_cases.all()))
    except IntegrityError:
        return Sheet.objects.get(package=package, environment=environment, state=Sheet.State.OPEN)
    return sheet


def renew(*, actor: User, sheet: Sheet) -> Sheet:
    """Take the plan's changes over: changed and new cases come unmarked, cases that left it go; own ones stay."""
    _may_work(actor, sheet)
    with transaction.atomic():
        wanted = [plans.copied(case) for case in sheet.package.model.plan_cases.all()]
        kept = []
        for case in sheet.cases.filter(is_own=False):
            same = {name: getattr(case, name) for name in plans.FIELDS}
            if same in wanted:
                wanted.remove(same)
                kept.append(case.pk)
        sheet.cases.filter(is_own=False).exclude(pk__in=kept).delete()
        SheetCase.objects.bulk_create(SheetCase(sheet=sheet, **values) for values in wanted)
        sheet.plan_digest = plans.digest(sheet.package.model)
        sheet.save(update_fields=["plan_digest"])
    return sheet


def ask(*, actor: User, case: SheetCase) -> SheetCase:
    """Ask the candidate, and the package in production beside it; a mark goes when the answer is another.

    Raises Forbidden, Conflict (the sheet has ended).
    """
    _may_work(actor, case.sheet)
    sheet, before = case.sheet, case.candidate.get("answer")
    case.candidate = _answer(sheet.package, sheet.environment.name, case.row, pin=sheet.package.number)
    if case.candidate.get("digest") not in (None, sheet.digest):
        case.candidate = {"error": f"Package {case.candidate['package']} answered, and not {sheet.package.number}."}
    live = _live(sheet)
    case.live = _answer(live, PRODUCTION, case.row) if live else {}
    answer = case.candidate.get("answer")
    case.meets = expecting.of(case).met(answer) if answer is not None else False
    case.asked_at = timezone.now()
    if answer is None or (before is not None and before != answer):
        case.mark = ""
    case.save()
    return case


def ask_all(*, actor: User, sheet: Sheet) -> int:
    """Ask every case that was not asked yet, as far as they come in time; return how many are left."""
    until = time.monotonic() + ASK_SECONDS
    left = list(sheet.cases.filter(asked_at=None))
    while left and time.monotonic() < until:
        ask(actor=actor, case=left.pop(0))
    return len(left)


def mark(*, actor: User, case: SheetCase, mark: str, note: str = "") -> SheetCase:
    """Say what the person made of the answer. Raises Forbidden, Conflict, Refused (not asked, no answer, no note)."""
    _may_work(actor, case.sheet)
    if mark not in SheetCase.Mark.values:
        raise Refused("Choose pass or fail.", "mark")
    if mark and not case.asked_at:
        raise Refused("Run the case first: a mark is for the answer that you saw.", "mark")
    if mark == SheetCase.Mark.PASS and "answer" not in case.candidate:
        raise Refused("The candidate gave no answer, so it cannot pass.", "mark")
    if mark == SheetCase.Mark.PASS and case.meets is False and not note.strip():
        raise Refused("The answer is not what is expected. Say in the note why it passes.", "note")
    if mark == SheetCase.Mark.FAIL and not note.strip():
        raise Refused("Say in the note what is wrong.", "note")
    case.mark, case.note = mark, note.strip()[:2000]
    case.marked_at, case.marked_by = timezone.now(), actor
    case.save(update_fields=["mark", "note", "marked_at", "marked_by"])
    return case


def try_own(*, actor: User, sheet: Sheet, title: str, row: Any) -> SheetCase:
    """Ask an input of one's own; it stays on the sheet as a case. Raises Forbidden, Conflict, Refused."""
    _may_work(actor, sheet)
    if sheet.cases.count() >= CASES_MOST:
        raise Conflict(f"A sheet holds at most {CASES_MOST} cases.")
    if not isinstance(row, dict) or not row:
        raise Refused("Give one input.", "row")
    count = sheet.cases.filter(is_own=True).count() + 1
    case = SheetCase.objects.create(
        sheet=sheet, is_own=True, title=title.strip()[:200] or f"Own input {count}", row=row
    )
    return ask(actor=actor, case=case)


def into_plan(*, actor: User, case: SheetCase) -> PlanCase:
    """Make an own input a case of the plan, for this and the coming packages. Raises Forbidden, Conflict, Refused."""
    _may_work(actor, case.sheet)
    if not case.is_own:
        raise Conflict("This case stands in the plan.")
    with transaction.atomic():
        made = plans.add(actor=actor, model=case.sheet.package.model, values=plans.copied(case))  # type: ignore[arg-type]
        case.is_own = False
        case.save(update_fields=["is_own"])
        Sheet.objects.filter(pk=case.sheet.pk).update(plan_digest=plans.digest(case.sheet.package.model))
    return made


def drop_own(*, actor: User, case: SheetCase) -> None:
    """Take an own input off the sheet. Raises Forbidden, Conflict (of the plan, or the sheet has ended)."""
    _may_work(actor, case.sheet)
    if not case.is_own:
        raise Conflict("A case of the plan cannot be taken off the sheet.")
    case.delete()


def attach(*, actor: User, case: SheetCase, name: str, content: bytes) -> Attachment:
    """Keep a file with a case. Raises Forbidden, Conflict, Refused (empty, too large, too many)."""
    _may_work(actor, case.sheet)
    if not content:
        raise Refused("The file is empty.", "file")
    if len(content) > ATTACHMENT_BYTES:
        raise Refused(TOO_LARGE, "file")
    if case.attachments.count() >= ATTACHMENTS_MOST:
        raise Refused(f"A case holds at most {ATTACHMENTS_MOST} files.", "file")
    shown = "".join(char for char in name.replace("\\", "/").rsplit("/", 1)[-1] if char.isprintable())[-NAME_MOST:]
    return Attachment.objects.create(
        case=case,
        name=shown or "file",
        content=content,
        size=len(content),
        digest=hashlib.sha256(content).hexdigest(),
        created_at=timezone.now(),
        created_by=actor,
    )


def _copy(sheet: Sheet, cases: list[PlanCase]) -> None:
    SheetCase.objects.bulk_create(SheetCase(sheet=sheet, **plans.copied(case)) for case in cases)
    audit.record(
        "uat.open",
        sheet,
        actor=sheet.created_by,
        model=sheet.package.model.name,
        environment=sheet.environment.name,
        details={"package": sheet.package.number, "cases": len(cases)},
    )


def _may_work(actor: User, sheet: Sheet) -> None:
    require(actor, SIGN_OFF)
    # Looked at afresh: somebody may have signed since the page was drawn.
    if Sheet.objects.values_list("state", flat=True).get(pk=sheet.pk) != Sheet.State.OPEN:
        raise Conflict("This sheet has been signed or rejected; it stays as it is.")


def _live(sheet: Sheet) -> Package | None:
    """The package in production, where that is another one."""
    route = (
        Route.objects.filter(model=sheet.package.model, environment__name=PRODUCTION).select_related("stable").first()
    )
    return route.stable if route and route.stable and route.stable_id != sheet.package_id else None


def _answer(package: Package, environment: str, row: Any, pin: int | None = None) -> dict[str, Any]:
    """Ask one row; an answer with its time and package, or an error in words."""
    try:
        with target.client(environment, timeout=ANSWER_SECONDS) as client:
            answer = client.predict_v1(package.model.name, asking.instances(package, [row]), package=pin)
    except (GatewayError, NoGateway) as error:
        rules = [f"{detail.get('field')}: {detail.get('rule')}" for detail in getattr(error, "details", [])]
        return {"error": " ".join([str(error), "; ".join(rules)]).strip()[:500]}
    except KeyError as error:
        return {"error": f"The input has no {error}."}
    # A label may hold a NUL character, which no database column of ours can.
    shown = json.loads(json.dumps(answer.predictions[0]).replace("\\u0000", ""))
    found = {"answer": shown, "ms": round(answer.seconds * 1000, 2)}
    return found | {"package": answer.package, "digest": answer.digest}
