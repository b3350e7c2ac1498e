"""What `up` tells the person: addresses, accounts, one prediction to try, and how to stop."""

from __future__ import annotations

import os
from pathlib import Path

from django.conf import settings

from dashboard.supervisor import first_start, probes

TRAFFIC = """\
Gentle demo traffic calls production from now on, so that the charts live (log/traffic.log in the data folder has its
figures). Without it: DEMO_TRAFFIC_RATE=0 make up
"""


def curl_file() -> Path:
    """Where the demo leaves its one working `curl`."""
    return Path(settings.VAR / "demo-curl.txt")


def welcome(new: list[str]) -> str:
    """Return the block that is printed when the pages are up."""
    lines = ["", "Slipway is up.", "", f"  Pages     {web_url()}"]
    lines += [f"  Gateway   {gateway.url}  {_serves(gateway.environments)}" for gateway in settings.GATEWAYS]
    lines += [f"  Data      {settings.VAR}", *_accounts(new), "", *_root(), "Ctrl-C stops everything.", ""]
    return "\n".join(lines)


def curl() -> str:
    """Return the saved `curl` on a line of its own."""
    return f"\nProduction answers. Try a prediction:\n\n{curl_file().read_text().strip()}\n"


def web_url() -> str:
    host, port = settings.WEB_BIND
    return f"http://{probes.reachable(host)}:{port}/"


def _root() -> list[str]:
    return ["This runs as root. It works; an account of its own is safer."] if os.geteuid() == 0 else []


def _serves(environments: tuple[str, ...]) -> str:
    return "all other environments" if "*" in environments else ", ".join(environments)


def _accounts(new: list[str]) -> list[str]:
    file = first_start.accounts_file()
    if not new:
        return [f"  Accounts  see {file}"] if file.exists() else []
    known = first_start.passwords()
    width = max(map(len, new))
    rows = [f"  {'Accounts' if name == new[0] else '':<8}  {name:<{width}}  {known[name]}" for name in new]
    return ["", *rows, f"  {'':<8}  (also in {file}, which only you can read)"]
