"""Keys and live parts on the real pages: nothing is lost while they refresh, and what is stale or away is said."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from dashboard.tests.browser import uploads
from dashboard.tests.browser.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.drill]  # minutes of waiting for a lost server and a silent worker
MODEL = "keyed"


@pytest.fixture(scope="module")
def model(site: Site, tmp_path_factory: pytest.TempPathFactory) -> str:
    api = site.slipway.api()
    api.post("/models/", name=MODEL)
    api.accepted(MODEL, uploads.package(tmp_path_factory.mktemp("uploads"), 1))
    return MODEL


@pytest.fixture
def page(site: Site, browser: Browser, model: str) -> Iterator[Page]:
    context = site.person(browser, "marta", viewport={"width": 1440, "height": 500})
    yield context.new_page()
    context.close()


def test_the_slash_focuses_the_search_and_the_search_finds(page: Page, model: str) -> None:
    page.goto("/releases/")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type(model[:3])
    found = page.locator("#search-results").get_by_role("link", name=re.compile(model))
    expect(found.first).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/models/{model}/"))


def test_g_b_goes_to_the_board_and_the_question_mark_lists_the_keys(page: Page) -> None:
    page.goto("/activity/")
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys")
    expect(keys).to_be_visible()
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    page.keyboard.press("g")
    page.keyboard.press("b")
    expect(page.get_by_role("heading", name="Board", level=1)).to_be_visible()


def test_a_letter_typed_into_a_field_is_no_key(page: Page) -> None:
    page.goto("/models/-/new/")
    page.get_by_label("Description").focus()
    page.keyboard.type("g b ?")
    expect(page.get_by_label("Description")).to_have_value("g b ?")
    expect(page).to_have_url(re.compile("/models/-/new/"))


def test_focus_and_scrolling_survive_a_change_of_the_board(site: Site, page: Page, model: str) -> None:
    page.set_viewport_size({"width": 1440, "height": 260})
    page.goto("/")
    page.get_by_role("link", name=model, exact=True).focus()
    page.evaluate("scrollTo(0, 40)")
    before = page.evaluate("scrollY")
    assert before > 0
    site.slipway.api().promote(model, 1, "dev")
    expect(page.locator(f"#cell-{model}-dev")).to_contain_text("Package 1")  # by itself
    expect(page.get_by_role("link", name=model, exact=True)).to_be_focused()
    assert abs(page.evaluate("scrollY") - before) <= 1


def test_an_open_menu_survives_while_the_page_around_it_refreshes(page: Page) -> None:
    page.goto("/")
    with page.expect_response(re.compile(r"part=rows")):
        pass
    page.get_by_role("button", name="List of keys").click()
    for _ in range(2):
        with page.expect_response(re.compile(r"part=rows")):
            pass
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()


def test_a_question_with_half_a_reason_survives_while_the_page_refreshes(page: Page, model: str) -> None:
    page.goto(f"/models/{model}/")
    page.get_by_role("link", name=f"Promote package 1 of {model} to").first.click()
    reason = page.get_by_role("dialog").get_by_label("Reason")
    reason.fill("Half a")
    with page.expect_response(re.compile(r"part=places")):
        pass
    reason.press_sequentially(" reason")
    expect(reason).to_have_value("Half a reason")
    expect(reason).to_be_focused()


def test_a_page_whose_server_is_gone_says_since_when_and_recovers(site: Site, page: Page) -> None:
    page.goto("/")
    assert site.slipway.process
    with standing_still(site.slipway.process.pid):  # nobody starts the web process again
        os.kill(site.slipway.children()["web"], signal.SIGKILL)
        expect(page.locator(".stale-mark").first).to_have_text(re.compile(r"Stale since \d\d:\d\d"))
        expect(page.get_by_role("heading", name="Board", level=1)).to_be_visible()
    expect(page.locator(".stale-mark")).to_have_count(0)


def test_the_board_says_when_the_workers_are_away_and_when_they_are_back(site: Site, page: Page) -> None:
    page.goto("/")
    banner = page.locator("#health")
    with standing_still(site.slipway.children()["quick"]):
        expect(banner).to_contain_text("The worker for quick work is away")
        expect(banner).to_contain_text("Releases move only when")
    expect(banner).not_to_contain_text("is away")


@contextlib.contextmanager
def standing_still(pid: int) -> Iterator[None]:
    """Stop a process without ending it, as a machine that swaps does."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
