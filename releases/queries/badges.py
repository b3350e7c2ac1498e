"""What packages have shown, kind by kind, in one word each."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Max

from releases.models import Evidence
from releases.wants import KINDS

WORST = ("fail", "hold", "pass")


def of(digests: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the verdict of each kind by digest; where it ran in several environments, the worst of the newest."""
    wanted = set(digests)
    # Smoke runs after every switch, so a package that comes and goes has many results; the newest are picked in there.
    groups = (
        Evidence.objects.filter(digest__in=wanted, kind__in=KINDS).order_by().values("digest", "kind", "environment")
    )
    newest = Evidence.objects.filter(pk__in=groups.annotate(last=Max("pk")).values("last"))
    found: dict[str, dict[str, str]] = {digest: {} for digest in wanted}
    for digest, kind, verdict in newest.values_list("digest", "kind", "verdict"):
        known = found[digest].get(kind, verdict)
        found[digest][kind] = min(known, verdict, key=WORST.index)
    return found
