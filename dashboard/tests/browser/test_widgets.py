"""The components in a browser, on the gallery: accessible, quiet, live, and usable without JavaScript."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

# pytest-base-url's own fixture is written in a way that pytest 9 warns of.
OLD_PLUGIN = pytest.mark.filterwarnings("ignore:Session-scoped fixtures defined as instance methods")
pytestmark = [pytest.mark.browser, OLD_PLUGIN]
ROOT = Path(__file__).resolve().parents[3]
AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
RULES = "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _wait_for(port: int, server: subprocess.Popen) -> None:
    for _ in range(200):
        assert server.poll() is None, "the gallery ended at once"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the gallery does not answer")


@pytest.fixture(scope="module")
def gallery() -> Iterator[str]:
    port = _free_port()
    command = [sys.executable, "-m", "dashboard.tests.gallery", str(port)]
    with subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"DJANGO_SETTINGS_MODULE": "dashboard.settings"}
    ) as server:
        try:
            _wait_for(port, server)
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.terminate()


def drawn(page: Page, address: str) -> Page:
    page.goto(address)
    expect(page.locator("#chart-latency-plot .main-svg").first).to_be_visible()
    expect(page.locator("#chart-traffic-plot .main-svg").first).to_be_visible()
    return page


def faults(page: Page) -> list[str]:
    page.evaluate(AXE)
    found = page.evaluate(RULES)["violations"]
    return [f"{fault['id']}: {node['target']}" for fault in found for node in fault["nodes"]]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_nothing_and_the_page_is_quiet(browser: Browser, gallery: str, theme: str, width: int) -> None:
    context = browser.new_context(color_scheme=theme, viewport={"width": width, "height": 900})
    page, said, foreign = context.new_page(), [], []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on(
        "request", lambda request: None if request.url.startswith((gallery, "data:")) else foreign.append(request.url)
    )
    drawn(page, gallery)
    assert faults(page) == []
    assert said == []
    assert foreign == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


def test_a_live_part_keeps_focus_and_what_is_open(page: Page, gallery: str) -> None:
    drawn(page, gallery)
    part = page.locator("#fragment")
    part.locator("summary").click()
    page.locator("#inside").focus()
    before = part.locator("p").inner_text()
    expect(part.locator("p")).not_to_have_text(before)
    assert part.locator("details").evaluate("d => d.open")
    expect(page.locator("#inside")).to_be_focused()


def test_a_live_part_that_fails_says_since_when_and_recovers(page: Page, gallery: str) -> None:
    drawn(page, gallery)
    page.route("**/fragment/", lambda route: route.abort())
    expect(page.locator(".stale-mark")).to_have_text(re.compile(r"Stale since \d\d:\d\d"), timeout=15_000)
    page.unroute("**/fragment/")
    expect(page.locator(".stale-mark")).to_have_count(0, timeout=15_000)


def test_a_chart_in_a_live_part_is_redrawn_in_place(page: Page, gallery: str) -> None:
    drawn(page, gallery)
    page.evaluate("document.getElementById('chart-latency-plot').mine = true")
    with page.expect_response("**/fragment/chart/"):
        pass
    page.wait_for_timeout(300)
    assert page.evaluate("document.getElementById('chart-latency-plot').mine")
    expect(page.locator("#chart-latency-plot .annotation-text")).to_have_count(7)


def test_the_theme_is_kept_and_the_charts_follow(page: Page, gallery: str) -> None:
    page.emulate_media(color_scheme="light")
    drawn(page, gallery)
    colour = "document.getElementById('chart-latency-plot').layout.font.color"
    light = page.evaluate(colour)
    page.get_by_role("button", name="Use the dark theme").click()
    page.wait_for_function(f"{colour} !== '{light}'")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_a_question_opens_in_a_dialog_and_leaves_everything_as_it_is(page: Page, gallery: str) -> None:
    drawn(page, gallery)
    page.get_by_role("link", name="Roll back to package 3").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="Roll back production to package 3?")).to_be_visible()
    expect(dialog.get_by_label("Reason")).to_be_focused()
    assert faults(page) == []
    dialog.get_by_role("link", name="Keep it as it is").click()
    expect(dialog).to_have_count(0)


def test_a_double_click_sends_a_form_once(page: Page, gallery: str) -> None:
    page.goto(f"{gallery}confirm/")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.get_by_label("Reason").fill("Too slow")
    page.get_by_role("button", name="Roll back to package 3").dblclick()
    page.wait_for_url(gallery)
    assert sent == [gallery]


def test_the_keys_search_list_and_go(page: Page, gallery: str) -> None:
    drawn(page, gallery)
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("a")
    page.wait_for_url("**/activity/")


def test_without_javascript_the_drawer_opens_and_a_question_is_a_page(browser: Browser, gallery: str) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(gallery)
    page.get_by_role("button", name="Open the navigation").click()
    expect(page.get_by_role("link", name="Releases", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Roll back to package 3").click()
    expect(page.get_by_role("button", name="Roll back to package 3")).to_be_visible()
    assert page.locator("pre:visible").count() == 0
    context.close()
