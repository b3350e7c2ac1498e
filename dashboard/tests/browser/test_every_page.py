"""Every page of the product: accessible in both themes and at both widths, quiet, self-contained, keyboard and all.

`make test` looks at the pages of every day; `make drill` at all the others, which takes minutes.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.urls import URLResolver, get_resolver, resolve
from playwright.sync_api import Browser, Page, expect

from dashboard.tests.browser.pages import OPEN, filled
from dashboard.tests.browser.site import Site
from dashboard.tests.browser.walk import Watch, faults, unreached

pytestmark = pytest.mark.browser
DAILY = {"board", "promote, blocked", "roll back", "release, live", "release, canary", "playground"}
# The third party's own widget; what stands around it is ours and is looked at.
SWAGGER = {"api": ["#swagger-ui"]}
# Only forms lead here (POST), or programs, or a page that asks for a part of itself.
FORMS = {"sign_out", "package_delete", "environment_move", "token_issue", "password"}
NO_PAGES = (
    FORMS
    | {"health", "troubles", "search", "artefacts"}
    | {"canary_plan", "release_pause", "release_resume", "release_weight", "release_steps", "release_end"}
    | {"freeze_remove", "batch_cancel", "batch_again", "batch_file", "schedule_switch", "schedule_remove"}
    | {"stream_replay", "stream_accept", "stream_hook", "channel_switch", "channel_send", "bundle_zip", "bundle_file"}
    | {
        *("attachment", "gates_drop", "release_consent", "run_again", "run_cancel", "tests_risk"),
        *("sheet_ask", "sheet_mark", "sheet_own", "sheet_own_case", "sheet_reject", "sheet_renew", "sheet_sign"),
    }
)
NUMBERS = (
    "accepted",
    "refused",
    "live",
    "waiting",
    "back",
    "batch",
    "compared",
    "canary",
    "shadow",
    "key",
    "rotated",
    "revoked",
    "token",
    "smoke",
    "load",
    "stress",
    "case",
    "sheet",
    "rejected",
)
REFUSED = {
    "404": (404, "/there-is-nothing-here/"),
    "404 of a model": (404, "/models/nobody/"),
    "sign-in": (200, "/sign-in/"),
}
# Charts and the Swagger widget are drawn after the page has come.
DRAWN = """() => [...document.querySelectorAll('.chart-plot[id]')].every(each => each.querySelector('.main-svg'))
    && [...document.querySelectorAll('#swagger-ui')].every(each => each.querySelector('.opblock'))"""
POSTED = """([path, token]) => {
    const form = document.createElement('form');
    form.method = 'post';
    form.action = path;
    form.innerHTML = `<input name=csrfmiddlewaretoken value=${token}>`;
    document.body.append(form);
    form.submit();
}"""


def daily_or_drill(name: str) -> Any:
    return name if name in DAILY else pytest.param(name, marks=pytest.mark.drill)


@pytest.fixture(scope="module")
def numbers(site: Site, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return filled(site, tmp_path_factory.mktemp("uploads"))


def test_no_page_is_forgotten() -> None:
    """A new address must be added to the list, or be named as one that is no page."""
    addresses = [path.format(**dict.fromkeys(NUMBERS, 1)) for path in OPEN.values()]
    seen = {resolve(path.partition("?")[0]).url_name for path in addresses} | {"sign_in"}
    ours = {each.name for each in get_resolver().url_patterns if not isinstance(each, URLResolver)}
    assert ours - seen - NO_PAGES == set()


@pytest.mark.parametrize("name", [daily_or_drill(name) for name in OPEN])
def test_the_page_is_as_it_should_be(site: Site, browser: Browser, numbers: dict[str, Any], name: str) -> None:
    context = site.person(browser, "ada", viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    page, watch = context.new_page(), Watch(site.web)
    watch.on(page)
    page.goto(OPEN[name].format(**numbers))
    page.wait_for_function(DRAWN)
    look_at(page, watch, SWAGGER.get(name, []), is_ours=name not in SWAGGER)
    context.close()


def test_the_page_of_a_canary_says_what_the_judge_found_and_lets_it_be_steered(
    site: Site, browser: Browser, numbers: dict[str, Any]
) -> None:
    """Evidence, interval, requests still needed, dispersion, and why (T12 of docs/judge.md)."""
    context = site.person(browser, "marta", viewport={"width": 390, "height": 844}, reduced_motion="reduce")
    page = context.new_page()
    page.goto(f"/releases/{numbers['canary']}/")
    judge = page.locator("section", has=page.get_by_role("heading", name="The judge"))
    for words in ("Nothing is proven yet", "errors: 1 in", "interval", "of 20 needed", "Evidence against it", "Noise"):
        expect(judge).to_contain_text(words, ignore_case=True)
    expect(judge).to_contain_text(re.compile(r"about [\d,]+ more for a certificate"))
    expect(judge).to_contain_text("Evidence of safety: errors")
    expect(page.locator("#chart-evidence")).to_contain_text("Show as table")
    page.get_by_label("Share of the traffic, %").fill("12.5")
    page.get_by_role("button", name="Change", exact=True).click()
    expect(page.get_by_text("The candidate gets 12.5 % now.")).to_be_visible()
    page.get_by_label("Share of the traffic, %").fill("100")
    page.get_by_label("Share of the traffic, %").evaluate("each => each.form.noValidate = true")
    page.get_by_role("button", name="Change", exact=True).click()
    expect(page.get_by_text("lies between 0 and 100 %")).to_be_visible()
    context.close()


@pytest.mark.drill
@pytest.mark.parametrize("name", REFUSED)
def test_what_a_stranger_or_a_lost_person_sees(site: Site, browser: Browser, name: str) -> None:
    status, path = REFUSED[name]
    context = site.visitor(browser) if name == "sign-in" else site.person(browser, "dora")
    page, watch = context.new_page(), Watch(site.web, status)
    watch.on(page)
    answer = page.goto(path)
    assert answer is not None
    assert answer.status == status
    look_at(page, watch, [])
    context.close()


@pytest.mark.drill
@pytest.mark.parametrize("status", [403, 409])
def test_what_is_refused_has_a_page(site: Site, browser: Browser, numbers: dict[str, Any], status: int) -> None:
    context = site.person(browser, "dora" if status == 403 else "ada")
    page, watch = context.new_page(), Watch(site.web, status)
    page.goto("/")
    watch.on(page)
    token = page.locator("input[name=csrfmiddlewaretoken]").first.get_attribute("value")
    with page.expect_navigation() as seen:
        page.evaluate(POSTED, ["/models/paged/packages/1/delete/", token])
    assert seen.value.status == status
    look_at(page, watch, [])
    context.close()


def look_at(page: Page, watch: Watch, leave: list[str], is_ours: bool = True) -> None:
    assert page.locator("html").get_attribute("lang") == "en"
    assert "Slipway" in page.title().split(" ")
    assert page.title() != "Slipway"
    assert page.locator("h1:visible").count() == 1
    if is_ours:
        assert unreached(page) == {"missed": [], "without a visible focus": []}
    assert faults(page, leave) == {}
    assert watch.said == []
    assert watch.foreign == []
