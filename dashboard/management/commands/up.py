"""`python manage.py up`: everything with one command."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from dashboard.supervisor import ports, prepare
from dashboard.supervisor.lock import only_one
from dashboard.supervisor.output import Console
from dashboard.supervisor.run import Supervisor
from dashboard.supervisor.trouble import Trouble


class Command(BaseCommand):
    help = "Start Valkey, the pages, the gateways, the workers and the demo, and keep them running until Ctrl-C."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            prepare.folders(settings.VAR)
            with only_one(settings.VAR) as killed:
                ports.check(settings.WEB_BIND, settings.GATEWAYS)
                asyncio.run(Supervisor(Console(width=18), killed).run())
        except Trouble as trouble:
            self.stderr.write(str(trouble))
            sys.exit(1)
