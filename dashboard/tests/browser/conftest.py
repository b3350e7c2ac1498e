"""One running Slipway for all browser tests that need a whole one; each of them makes a model of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from dashboard.tests.browser.site import PATIENCE, Site
from dashboard.tests.drills.running import slipway


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """The installation, started as a newcomer starts it, with people of three roles."""
    expect.set_options(timeout=PATIENCE)
    with slipway() as running:
        running.start(seconds=240)
        found = Site(running)
        found.fill()
        yield found
