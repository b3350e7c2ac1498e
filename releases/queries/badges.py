"""What packages have shown, kind by kind, in one word each."""

from __future__ import annotations

from collections.abc import Iterable

from releases.models import Evidence
from releases.wants import KINDS

WORST = ("fail", "hold", "pass")


def of(digests: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the verdict of each kind by digest; where it ran in several environments, the worst of the newest."""
    wanted = set(digests)
    rows = Evidence.objects.filter(digest__in=wanted, kind__in=KINDS).order_by("id")
    newest: dict[str, dict[tuple[str, int | None], str]] = {digest: {} for digest in wanted}
    for digest, kind, place, verdict in rows.values_list("digest", "kind", "environment", "verdict"):
        newest[digest][kind, place] = verdict
    return {digest: _worst(shown) for digest, shown in newest.items()}


def _worst(shown: dict[tuple[str, int | None], str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for (kind, _), verdict in shown.items():
        known = found.get(kind, verdict)
        found[kind] = min(known, verdict, key=WORST.index)
    return found
