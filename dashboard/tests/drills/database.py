"""Read an installation's database beside it: what is committed, and whether the history is whole."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ENDED = ("live", "failed", "aborted")
# Rows that are never changed, by the columns that make them; of a release only what it was born with.
KEPT = {
    "releases_release": "id, model_id, package_id, environment_id, strategy, reason, created_at, created_by_id",
    "releases_event": "*",
    "releases_auditrow": "*",
    "releases_package": "*",
    "releases_publishedtable": "*",
}
Rows = dict[str, set[tuple[Any, ...]]]


class Database:
    """The SQLite file of an installation, opened for each question."""

    def __init__(self, var: Path) -> None:
        self.path = var / "db.sqlite3"

    def all(self, question: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.path}?mode=rw", uri=True, timeout=20)) as connection:
            return connection.execute(question, values).fetchall()

    def state(self, release: int) -> str:
        return str(self.all("SELECT state FROM releases_release WHERE id = ?", release)[0][0])

    def ended(self, release: int) -> str:
        """Return the state of a release that has ended, an empty text before."""
        state = self.state(release)
        return state if state in ENDED else ""

    def tables(self, environment: str, model: str) -> list[tuple[int, float, dict[int, float]]]:
        """Return generation, time (epoch) and {package: weight} of every table published there, oldest first."""
        found = self.all(
            "SELECT generation, at, body FROM releases_publishedtable WHERE environment_id = "
            "(SELECT id FROM releases_environment WHERE name = ?) ORDER BY generation",
            environment,
        )
        return [(generation, epoch(at), _weights(json.loads(body), model)) for generation, at, body in found]

    def newest(self) -> dict[str, dict[str, Any]]:
        """Return the newest published table by environment."""
        found = self.all(
            "SELECT e.name, t.body FROM releases_environment e JOIN releases_publishedtable t "
            "ON t.environment_id = e.id AND t.generation = e.generation"
        )
        return {name: json.loads(body) for name, body in found}

    def live(self, environment: str, model: str) -> int | None:
        """Return the number of the package that is live there."""
        found = self.all(
            "SELECT p.number FROM releases_route r JOIN releases_package p ON p.id = r.stable_id "
            "JOIN releases_environment e ON e.id = r.environment_id JOIN releases_mlmodel m ON m.id = r.model_id "
            "WHERE e.name = ? AND m.name = ?",
            *(environment, model),
        )
        return int(found[0][0]) if found else None

    def kept(self) -> Rows:
        """Return every row that must never be lost or changed, by table."""
        return {table: set(self.all(f"SELECT {columns} FROM {table}")) for table, columns in KEPT.items()}

    def history(self, release: int) -> list[tuple[str, str]]:
        """Return (old state, new state) of every event of a release, oldest first; steps within a state left out."""
        found = self.all("SELECT old_state, new_state FROM releases_event WHERE release_id = ? ORDER BY id", release)
        return [(old, new) for old, new in found if new]

    def copy(self) -> Database:
        """Return a copy of the files as they lie there, so that looking at them recovers nothing in their place."""
        folder = Path(tempfile.mkdtemp(dir=self.path.parent.parent))
        for path in self.path.parent.glob("db.sqlite3*"):
            shutil.copy2(path, folder / path.name)
        return Database(folder)


def lost(before: Rows, after: Rows) -> dict[str, int]:
    """Return how many rows of each table are not there any more as they were."""
    return {table: missing for table, rows in before.items() if (missing := len(rows - after[table]))}


def epoch(text: str) -> float:
    """Return a time as SQLite keeps Django's, in seconds."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def _weights(body: dict[str, Any], model: str) -> dict[int, float]:
    targets = body["routes"].get(model, {}).get("targets", [])
    return {target["package"]: target["weight"] for target in targets}
