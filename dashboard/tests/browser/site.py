"""A running Slipway as its people see it: who they are, how they sign in, and what every page must stay free of."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from dashboard.tests.drills.running import Slipway

PASSWORD = "a long enough sentence 7"
PEOPLE = {"marta": "release manager", "dora": "developer", "ada": "admin", "quinn": "QA"}
MAKE = (
    "from django.contrib.auth.models import Group, User\n"
    f"for name, role in {PEOPLE!r}.items():\n"
    f"    User.objects.create_user(name, password={PASSWORD!r}).groups.add(Group.objects.get(name=role))\n"
)
PATIENCE = 90_000.0  # ms; the machine may be busy with other tests
LIVE = re.compile("is-done")


@dataclass
class Site:
    """The installation, and the sessions of those who have signed in once."""

    slipway: Slipway
    sessions: dict[str, Any] = field(default_factory=dict)

    @property
    def web(self) -> str:
        return self.slipway.web

    def fill(self) -> None:
        """Give everybody an account."""
        self.slipway.shell(MAKE)

    def visitor(self, browser: Browser, **options: Any) -> BrowserContext:
        """Return a context of somebody who has not signed in."""
        context = browser.new_context(base_url=self.web, **options)
        context.set_default_timeout(PATIENCE)
        return context

    def person(self, browser: Browser, name: str, **options: Any) -> BrowserContext:
        """Return a context of somebody who has signed in."""
        if name not in self.sessions:
            context = self.visitor(browser)
            sign_in(context.new_page(), name)
            self.sessions[name] = context.storage_state()
            context.close()
        return self.visitor(browser, storage_state=self.sessions[name], **options)


def sign_in(page: Page, name: str) -> None:
    """Type name and password into the page that everybody meets first."""
    page.goto("/")
    expect(page).to_have_url(re.compile("/sign-in/"))
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Board", level=1)).to_be_visible()


def make_model(page: Page, name: str) -> None:
    """Make a model; the page of its first upload opens."""
    page.goto("/models/-/new/")
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Make the model").click()
    expect(page.get_by_role("heading", name=f"Register a package of {name}")).to_be_visible()


def upload(page: Page, model: str, file: Path) -> None:
    """Send a file; the report of its intake opens."""
    page.goto(f"/models/{model}/register/")
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Upload and check").click()
    expect(page).to_have_url(re.compile(r"/intakes/\d+/"))


def register(page: Page, model: str, file: Path, number: int) -> None:
    """Send a file that must become the package with this number."""
    upload(page, model, file)
    expect(page.get_by_text(f"Accepted as package {number} of {model}.")).to_be_visible()


def confirm(page: Page, button: str) -> None:
    """Press what the question offers, in a dialog or on its own page; the release opens."""
    page.locator("[data-dialog-content]").get_by_role("button", name=button, exact=True).click()
    expect(page.get_by_role("list", name="Progress of the release")).to_be_visible()


def last_step(page: Page) -> Locator:
    """Return the step that stands for the end of the release."""
    return page.get_by_role("list", name="Progress of the release").get_by_role("listitem").last


def until_live(page: Page) -> None:
    """Wait until the page says by itself that the release is live."""
    expect(last_step(page)).to_have_class(LIVE)


def until_live_by_reloading(page: Page) -> None:
    """The same on a page without a script, as a person would do it."""
    for _ in range(60):
        if LIVE.search(last_step(page).get_attribute("class") or ""):
            return
        page.wait_for_timeout(1000)
        page.reload()
    raise AssertionError(f"{page.url} is not live after a minute")
