"""`manage.py fleet`: simulated devices follow a channel, with the code that real ones run."""

from __future__ import annotations

import shutil
import tempfile
import time
from argparse import ArgumentParser
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError

from dashboard.demo import places
from dashboard.demo.fleet import Fleet, Round, Shared
from releases.models import EdgeBundle
from releases.modes.edge.signing import private_key


class Command(BaseCommand):
    help = "Let simulated devices follow a channel and print after each look what they run."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--devices", type=int, default=500)
        parser.add_argument("--model", default="flight-eta")
        parser.add_argument("--channel", choices=("stable", "beta"), default="stable")
        parser.add_argument("--every", type=float, default=5.0, help="seconds between two looks (default 5)")
        parser.add_argument("--rounds", type=int, default=0, help="how many looks (default: until Ctrl-C)")
        parser.add_argument("--failing", type=float, default=0.0, help="per cent of them that fail each new bundle")
        parser.add_argument("--home", type=Path, help="where they keep their copies (default: nowhere for good)")
        parser.add_argument("--server", help="address of the web process (default: from the setting WEB_BIND)")
        parser.add_argument("--key-file", type=Path, help="file with the API key (default: the demo's own)")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 0 < options["devices"] <= 10_000 or not 0 <= options["failing"] <= 100:
            raise CommandError("--devices must be 1 to 10000, --failing 0 to 100 per cent.")
        with ExitStack() as stack:
            home = options["home"] or Path(tempfile.mkdtemp(prefix="fleet-"))
            if not options["home"]:
                stack.callback(shutil.rmtree, home, ignore_errors=True)
            try:
                self._run(_fleet(options, home), options)
            except KeyboardInterrupt:
                self.stdout.write("")

    def _run(self, fleet: Fleet, options: dict[str, Any]) -> None:
        number = 0
        while not options["rounds"] or number < options["rounds"]:
            if number:
                time.sleep(options["every"])
            number += 1
            start = time.monotonic()
            found = fleet.look()
            self.stdout.write(f"{_said(found)} ({time.monotonic() - start:.1f} s)")
            self.stdout.flush()


def _fleet(options: dict[str, Any], home: Path) -> Fleet:
    server = options["server"] or places.web_url()
    shared = Shared(server, options["model"], options["channel"], _key(options["key_file"]), home / "cache")
    return Fleet(shared, private_key().public_key(), home, options["devices"], options["failing"] / 100)


def _said(found: Round) -> str:
    rows = EdgeBundle.objects.filter(bundle__in=list(found.bundles))
    numbers = dict(rows.values_list("bundle", "package__number"))
    runs = [f"{count} run {_name(numbers.get(bundle))}" for bundle, count in sorted(found.bundles.items())]
    states = [f"{count} {state}" for state, count in sorted(found.states.items()) if state != "passed"]
    away = [f"{count} could not ask: {words}" for words, count in found.away.items()]
    return "; ".join([*runs, *states, *away])


def _name(number: int | None) -> str:
    return f"package {number}" if number else "nothing"


def _key(path: Path | None) -> str:
    """Return the key in the file, or the demo's own, or none."""
    path = path or places.key_file()
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise CommandError(f"The key file {path} cannot be read ({error.strerror}).") from error
