"""Sign or reject a sheet: the one door through which user acceptance becomes evidence."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import transaction
from django.utils import timezone

from releases.actions import audit, evidence
from releases.actions import releases as verbs
from releases.errors import Conflict, Forbidden, Refused
from releases.models import Release
from releases.queries.wanted import is_live
from releases.rights import SIGN_OFF, require
from releases.wants import settings_digest
from testing.models import Sheet, SheetCase
from testing.uat import plans

STATEMENT = "I have looked at every case, and I accept this package for production."
GUESSES, GUESS_SECONDS = 10, 900


def sign(*, actor: User, sheet: Sheet, password: str, statement: str) -> Sheet:
    """Accept the package; the gate that waits for it opens.

    Raises Forbidden (no QA, or own work), Refused (password, statement, cases that are not done or failed), Conflict
    (the sheet has ended, the package or the plan is another by now).
    """
    require(actor, SIGN_OFF)
    if own := own_work(actor, sheet):
        raise Forbidden(own)
    with transaction.atomic():
        locked = Sheet.objects.select_for_update().get(pk=sheet.pk)
        if reason := ended(locked) or changed(locked):
            raise Conflict(reason)
        for reason in unfinished(locked):
            raise Refused(reason)
        _check_password(actor, password)
        if not statement.strip():
            raise Refused("Confirm the statement; it stands on the sheet.", "statement")
        _end(locked, Sheet.State.SIGNED, actor, statement=statement.strip()[:500])
        _record(locked, "pass", f"Signed by {actor.get_username()}.")
        _tell("uat.sign", locked, actor)
    return locked


def reject(*, actor: User, sheet: Sheet, reason: str) -> Sheet:
    """Refuse the package, with the reason; the releases that wait for its acceptance stop.

    Raises Forbidden, Refused (no reason), Conflict (the sheet has ended).
    """
    require(actor, SIGN_OFF)
    if not reason.strip():
        raise Refused("Say why; it is told to those who wait for this package.", "reason")
    with transaction.atomic():
        locked = Sheet.objects.select_for_update().get(pk=sheet.pk)
        if words := ended(locked):
            raise Conflict(words)
        _end(locked, Sheet.State.REJECTED, actor, reason=reason.strip()[:500])
        words = f"Rejected by {actor.get_username()}: {reason.strip()}"
        _record(locked, "fail", words)
        _tell("uat.reject", locked, actor, reason.strip())
    for release in waiting(locked):
        verbs.abort(actor=None, release=release, reason=words[:500])
    return locked


def hindrances(actor: User, sheet: Sheet) -> list[str]:
    """Return all that stands in the way of a signature, for the page; the verb decides."""
    found = [ended(sheet), changed(sheet), own_work(actor, sheet), *unfinished(sheet)]
    return [words for words in found if words]


def own_work(actor: User, sheet: Sheet) -> str:
    """Nobody accepts what they made, or asked for themselves; an empty text where it is another's."""
    package = sheet.package
    if package.created_by_id == actor.pk:
        return f"You registered package {package.number}. Somebody else must sign for it."
    asked = Release.traffic.filter(package=package, created_by=actor, is_rollback=False).order_by("-id").first()
    if asked:
        return f"You asked for release {asked.pk} of package {package.number}. Somebody else must sign for it."
    return ""


def ended(sheet: Sheet) -> str:
    return "" if sheet.is_open else f"This sheet was {sheet.state} already; it stays as it is."


def changed(sheet: Sheet) -> str:
    """Say what is another than when the sheet was opened."""
    package, where = sheet.package, sheet.environment
    if package.digest != sheet.digest:
        return "The package has other bytes than those that were looked at. Open a new sheet."
    if not is_live(package, where):
        return f"Package {package.number} is not live in {where.name} any more, so it cannot be accepted there."
    if plans.digest(package.model) != sheet.plan_digest:
        return "The plan has changed since this sheet was opened. Take the changes over first."
    return ""


def unfinished(sheet: Sheet) -> list[str]:
    """Say which cases are not done, and which failed."""
    cases = list(sheet.cases.all())
    if not cases:
        return ["There is no case on this sheet. Add cases to the plan, or try an input of your own."]
    open_ones = [case.title for case in cases if not case.is_done]
    failed = [case.title for case in cases if case.mark == SheetCase.Mark.FAIL]
    found = []
    if open_ones:
        found.append(f"{len(open_ones)} of {len(cases)} cases are not done: {_some(open_ones)}.")
    if failed:
        found.append(f"{len(failed)} failed, so this package can only be rejected: {_some(failed)}.")
    return found


def waiting(sheet: Sheet) -> list[Release]:
    """Return the releases of the package that wait in a later environment."""
    later = Release.traffic.filter(package=sheet.package, state=Release.State.WAITING, is_rollback=False)
    return list(later.filter(environment__position__gt=sheet.environment.position))


def _check_password(actor: User, password: str) -> None:
    """So many wrong ones, and it is closed for a while: a session that was left open is no key."""
    name = f"uat-guesses-{actor.pk}"
    if cache.get(name, 0) >= GUESSES:
        raise Refused("Too many wrong passwords. Wait a quarter of an hour.", "password")
    if not actor.check_password(password):
        cache.set(name, cache.get(name, 0) + 1, GUESS_SECONDS)
        raise Refused("This is not your password.", "password")
    cache.delete(name)


def _end(sheet: Sheet, state: str, actor: User, **columns: str) -> None:
    sheet.state, sheet.ended_at, sheet.ended_by = state, timezone.now(), actor
    for name, value in columns.items():
        setattr(sheet, name, value)
    sheet.save()


def _record(sheet: Sheet, verdict: str, words: str) -> None:
    evidence.record(
        sheet.digest,
        plans.KIND,
        verdict,
        reference=str(sheet),
        environment=sheet.environment,
        settings_digest=settings_digest(plans.values(sheet.package.model)),
        words=words,
    )


def _tell(action: str, sheet: Sheet, actor: User, reason: str = "") -> None:
    audit.record(
        action,
        sheet,
        actor=actor,
        reason=reason,
        model=sheet.package.model.name,
        environment=sheet.environment.name,
        details={"package": sheet.package.number, "digest": sheet.digest},
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
