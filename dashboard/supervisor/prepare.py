"""What must stand before the first process: folders, tables, static files. Each is skipped when nothing changed."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

from dashboard.supervisor.trouble import Trouble
from dashboard.supervisor.valkey import private_folder

FOLDERS = ("secrets", "log", "packages", "artefacts", "uploads", "batches", "batch-inputs", "gateway", "stream", "edge")


def folders(var: Path) -> None:
    """Make the data folder and what stands in it, for our eyes only."""
    var.mkdir(mode=0o700, parents=True, exist_ok=True)
    var.chmod(0o700)
    for name in FOLDERS:
        (var / name).mkdir(mode=0o700, exist_ok=True)
    private_folder(var / "secrets")


def tables() -> None:
    """Bring the database up to date; raises Trouble when that fails. Only here and in `migrate` is its file made."""
    if not settings.DATABASE_URL:
        (settings.VAR / "db.sqlite3").touch(mode=0o600)
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            call_command("migrate", verbosity=0, interactive=False)
    except OperationalError as error:
        name = "DATABASE_URL" if settings.DATABASE_URL else "The database"
        raise Trouble(f"{name}: it cannot be used ({str(error).splitlines()[0]}).") from error
    finally:
        connection.close()


def static() -> None:
    """Collect the static files when one of them is new, changed or gone."""
    stamp, now = settings.STATIC_ROOT / ".collected", _fingerprint()
    if settings.DEBUG or (stamp.exists() and stamp.read_text() == now):
        return
    _manage("collectstatic", "--verbosity=0", "--no-input", "--clear")
    stamp.write_text(now)


def _fingerprint() -> str:
    """Return a hash over name, size and time of every source file, and over the code that collects."""
    found = [(name, storage.path(name)) for finder in get_finders() for name, storage in finder.list(["*.map"])]
    found.append(("staticfiles.py", str(settings.BASE_DIR / "dashboard" / "staticfiles.py")))
    facts = [f"{name} {(about := Path(path).stat()).st_size} {about.st_mtime_ns}" for name, path in found]
    return hashlib.sha256("\n".join(sorted(facts)).encode()).hexdigest()


def _manage(*words: str) -> None:
    """Run a command in a process of its own, beside what else is going on."""
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise Trouble(f"`manage.py {words[0]}` failed:\n{done.stderr.strip() or done.stdout.strip()}")
