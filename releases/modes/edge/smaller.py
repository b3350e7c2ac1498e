"""A smaller bundle: the model quantised, where that makes it smaller and leaves its answers near enough."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from releases.errors import Conflict
from releases.models import EdgeBundle, Package
from releases.modes.edge import bundles
from releases.modes.edge.signing import private_key
from releases.rights import REGISTER, require
from releases.wake import enqueue
from serving.edge.documents import MODEL, EdgeError
from serving.edge.making import SMALLER, make, measured

# How far a golden answer may be away from the full model's, as a part of the largest one.
TOLERANCE = 0.01
# It must be worth it: at least so much of the file must be gone.
LEAST_GAIN = 0.1
SECONDS = 900


def ask(*, actor: User, package: Package) -> None:
    """Have the smaller bundle made by a worker. Raises Forbidden, Conflict for a package that no device can run."""
    require(actor, REGISTER)
    if words := bundles.why_not(package):
        raise Conflict(f"No bundle can be made of package {package.number}. {words}")
    if not enqueue("releases.modes.edge.tasks.make_smaller", package.pk, actor.pk, queue="long"):
        raise Conflict("The broker is away, so no worker can make it now. Ask again in a minute.")


def run(package: Package, actor: User | None) -> EdgeBundle:
    """Make the smaller bundle, or keep why there is none."""
    full = bundles.export(actor=actor, package=package)
    source = bundles.folder(full.bundle or "") / MODEL
    with tempfile.TemporaryDirectory(prefix="edge-", dir=settings.VAR) as folder:
        target = Path(folder) / MODEL
        try:
            done = _shrink(source, target)
        except subprocess.TimeoutExpired:
            return _none(package, actor, f"Quantisation did not end within {SECONDS // 60} minutes.")
        if not done:
            return _none(package, actor, "Its operators cannot be quantised.")
        return _kept(package, actor, source, target)


def _shrink(source: Path, target: Path) -> bool:
    command = [sys.executable, "-m", "serving.edge.shrinking", str(source), str(target)]
    run = subprocess.run(command, cwd=settings.BASE_DIR, capture_output=True, timeout=SECONDS)
    return run.returncode == 0 and target.exists()


def _kept(package: Package, actor: User | None, source: Path, target: Path) -> EdgeBundle:
    before, after = source.stat().st_size, target.stat().st_size
    if after > (1 - LEAST_GAIN) * before:
        words = f"Quantisation does not make it smaller: {before:,} bytes before, {after:,} after. "
        return _none(package, actor, words + "It changes matrix products only, and trees have none.")
    wanted = replace(bundles.source_of(package), variant=SMALLER, model=target, tolerance=TOLERANCE)
    try:
        far = measured(wanted)
        if far > TOLERANCE:
            return _none(package, actor, _too_far(far))
        return bundles.keep(actor, package, make(wanted, settings.EDGE, private_key()), wanted, apart=far)
    except (EdgeError, Conflict) as error:
        return _none(package, actor, str(error))


def _too_far(far: float) -> str:
    if far == float("inf"):
        return "Some of its labels would be others."
    return f"Its answers would be {far:.1%} away from the full model's; {TOLERANCE:.0%} is accepted."


def _none(package: Package, actor: User | None, words: str) -> EdgeBundle:
    columns = {"words": words[:500], "made_at": timezone.now(), "made_by": actor}
    EdgeBundle.objects.filter(package=package, variant=SMALLER, bundle=None).delete()
    return EdgeBundle.objects.create(package=package, variant=SMALLER, bundle=None, **columns)
