"""The kinds of suite that a gate can want, and which of them each risk asks for before anybody changed it (pure)."""

from __future__ import annotations

import hashlib
import json
from typing import Any

# Kind → its name on pages; `testing` has one suite for each.
KINDS = {
    "unit": "Unit",
    "integration": "Integration",
    "smoke": "Smoke",
    "load": "Load",
    "stress": "Stress",
    "rehearsal": "Rehearsal",
    "uat": "UAT",
    "shadow": "Shadow",
    "replay": "Replay",
    "comparison": "Batch comparison",
}
TEST, STAGING, PRODUCTION = "test", "staging", "production"
# These would hurt the clients of an environment whose name is production.
NEVER_IN_PRODUCTION = frozenset({"load", "stress", "rehearsal"})
Wanted = list[tuple[str, str]]
_FULL: dict[str, Wanted] = {
    TEST: [("unit", TEST)],
    STAGING: [("integration", TEST)],
    PRODUCTION: [(kind, STAGING) for kind in ("smoke", "integration", "load", "stress", "rehearsal", "uat")],
}
# Risk → environment to come into → (kind, environment it ran in).
SEEDS: dict[str, dict[str, Wanted]] = {
    "low": {PRODUCTION: [("smoke", STAGING)]},
    "medium": _FULL,
    "high": _FULL,
}
# What high risk asks beyond medium: so long live in the environment before, and results no older than this.
HIGH_HOURS, HIGH_DAYS = 24.0, 7


def settings_digest(values: dict[str, Any]) -> str:
    """Return the SHA-256 by which evidence and gates know the settings of a suite."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
