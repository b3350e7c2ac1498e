"""The main job in a browser: register, promote to production, see the answer change, roll back; and who may not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from dashboard.tests.browser import uploads
from dashboard.tests.browser.site import (
    Site,
    confirm,
    make_model,
    register,
    sign_in,
    until_live,
    until_live_by_reloading,
    upload,
)

pytestmark = pytest.mark.browser
ENVIRONMENTS = ("dev", "test", "staging", "production")
STEPS = ("Unpack", "Compute the digest", "Inspect the types", "Load in the sandbox", "Predict the example")
FORBIDDEN = "Your role does not allow you to deploy in production."


def test_a_person_brings_two_packages_to_production_sees_the_answer_change_and_rolls_back(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    context = site.visitor(browser)
    page, model = context.new_page(), "travel-time"
    sign_in(page, "marta")
    make_model(page, model)

    upload(page, model, uploads.package(tmp_path, 1))
    intake_is_told_step_by_step(page)
    expect(page.get_by_text(f"Accepted as package 1 of {model}.")).to_be_visible()
    bring_to_production(page, model, 1)
    ask(page, model, "production", 1)

    register(page, model, uploads.package(tmp_path, 2), 2)
    bring_to_production(page, model, 2)
    release = page.url
    ask(page, model, "production", 2)
    the_release_is_told(page, release)

    roll_back(page, model, "It answers twice the time")
    ask(page, model, "production", 1)
    everything_stands_in_the_activity(page, model)
    context.close()


def test_the_same_files_again_are_the_same_package(site: Site, browser: Browser, tmp_path: Path) -> None:
    context = site.person(browser, "marta")
    page = context.new_page()
    make_model(page, "twice")
    register(page, "twice", uploads.package(tmp_path, 1), 1)
    upload(page, "twice", uploads.package(tmp_path, 1))
    expect(page.get_by_text("These files are package 1 already.")).to_be_visible()
    context.close()


def test_a_developer_has_no_button_for_production_and_a_forged_click_is_refused(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    context = site.person(browser, "dora")
    page = context.new_page()
    make_model(page, "by-dora")
    register(page, "by-dora", uploads.package(tmp_path, 1), 1)
    for name in ENVIRONMENTS[:2]:
        promote_from_the_board(page, "by-dora", 1, name)
    page.goto("/")
    expect(page.locator("#cell-by-dora-test").get_by_role("link", name="Roll back")).to_be_visible()
    for name in ENVIRONMENTS[2:]:
        expect(page.locator(f"#cell-by-dora-{name}")).to_contain_text("Nothing live")
        expect(page.locator(f"#cell-by-dora-{name}").get_by_role("link")).to_have_count(0)
    forged(page, "by-dora")
    context.close()


def test_a_pickle_that_calls_itself_skops_is_refused_with_a_sentence(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    context, canary = site.person(browser, "marta"), tmp_path / "canary"
    page = context.new_page()
    make_model(page, "hostile")
    upload(page, "hostile", uploads.disguised(tmp_path, canary))
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Refused.")
    expect(alert).to_contain_text("pickle")
    expect(alert).to_contain_text("Nothing of the upload was kept but this report.")
    assert not canary.exists()
    page.goto("/models/hostile/")
    expect(page.get_by_role("link", name=re.compile("Package 1"))).to_have_count(0)
    context.close()


def test_promote_and_roll_back_work_without_a_script(site: Site, browser: Browser, tmp_path: Path) -> None:
    context = site.person(browser, "marta", java_script_enabled=False)
    page, model = context.new_page(), "plain"
    for number in (1, 2):
        register_by_reloading(page, model, uploads.package(tmp_path, number), number)
        page.goto("/")
        page.get_by_role("link", name=f"Promote package {number} of {model} to dev").click()
        expect(page.get_by_role("heading", name=f"Promote package {number} to dev", level=1)).to_be_visible()
        confirm(page, "Start dev with package 1" if number == 1 else "Switch dev from package 1 to package 2")
        until_live_by_reloading(page)
    ask(page, model, "dev", 2)
    page.goto(f"/models/{model}/")
    page.get_by_role("link", name=f"Roll back {model} in dev").click()
    page.get_by_label("Reason").fill("No script, no excuse")
    confirm(page, "Roll dev back to package 1")
    until_live_by_reloading(page)
    ask(page, model, "dev", 1)
    context.close()


def intake_is_told_step_by_step(page: Page) -> None:
    for title in STEPS:
        expect(
            page.get_by_role("region", name="Checks").get_by_role("listitem").filter(has_text=title)
        ).to_contain_text("Done:")


def promote_from_the_board(page: Page, model: str, number: int, name: str) -> None:
    page.goto("/")
    page.get_by_role("link", name=f"Promote package {number} of {model} to {name}").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name=f"Promote package {number} to {name}")).to_be_visible()
    confirm(page, f"Start {name} with package 1" if number == 1 else f"Switch {name} from package 1 to package 2")
    until_live(page)


def bring_to_production(page: Page, model: str, number: int) -> None:
    """From the board into the first environment, then on from release to release."""
    promote_from_the_board(page, model, number, "dev")
    for name in ENVIRONMENTS[1:]:
        page.get_by_role("link", name=f"Promote package {number} to {name}").click()
        confirm(page, f"Start {name} with package 1" if number == 1 else f"Switch {name} from package 1 to package 2")
        expect(page.get_by_text(f"of {model} in {name}")).to_be_visible()
        until_live(page)


def ask(page: Page, model: str, name: str, number: int) -> None:
    page.goto(f"/playground/?model={model}&environment={name}")
    page.get_by_role("button", name=f"Ask {name}").click()
    answer = page.get_by_role("article", name=f"Answer of {name}")
    expect(answer.locator(".answer-value")).to_have_text(re.compile(rf"^\s*{uploads.ANSWERS[number]}\s*time\s*$"))
    expect(answer).to_contain_text(f"Package {number}")


def the_release_is_told(page: Page, address: str) -> None:
    page.goto(address)
    steps = page.get_by_role("list", name="Progress of the release").get_by_role("listitem")
    expect(steps.filter(has_text="Load and warm")).to_contain_text("Done:")
    expect(page.get_by_text("All traffic switched to package 2")).to_be_visible()
    expect(page.get_by_text("Package 2 is live")).to_be_visible()
    for chart in ("traffic", "latency"):
        expect(page.locator(f"#chart-{chart}-plot .main-svg").first).to_be_visible()


def roll_back(page: Page, model: str, reason: str) -> None:
    """A rollback needs a reason, and one click more."""
    page.goto(f"/models/{model}/")
    page.get_by_role("link", name=f"Roll back {model} in production").click()
    page.get_by_role("dialog").get_by_role("button", name="Roll production back to package 1").click()
    expect(page).to_have_url(re.compile(f"/models/{model}/$"))  # the browser itself asks for the reason
    page.get_by_role("dialog").get_by_label("Reason").fill(reason)
    confirm(page, "Roll production back to package 1")
    until_live(page)
    expect(page.get_by_text(reason).first).to_be_visible()


def everything_stands_in_the_activity(page: Page, model: str) -> None:
    page.goto(f"/activity/?model={model}")
    rows = page.get_by_role("row").filter(has_text="marta")
    expect(rows.filter(has_text="It answers twice the time")).to_have_count(1)
    for name in ENVIRONMENTS:
        assert rows.filter(has_text=name).count() >= 2, f"the promotes to {name} are missing"


def forged(page: Page, model: str) -> None:
    """Post what the page does not offer, with the person's own cookies and token."""
    token = page.locator("input[name=csrfmiddlewaretoken]").first.get_attribute("value") or ""
    form = {"csrfmiddlewaretoken": token, "package": "1", "environment": "production", "strategy": "recreate"}
    answer = page.request.post(f"/models/{model}/promote/", form=form, headers={"Referer": page.url})
    assert answer.status == 403
    assert FORBIDDEN in answer.text()
    page.goto(f"/models/{model}/production/roll-back/")
    expect(page.get_by_text(FORBIDDEN)).to_be_visible()


def register_by_reloading(page: Page, model: str, file: Path, number: int) -> None:
    if number == 1:
        make_model(page, model)
    upload(page, model, file)
    for _ in range(60):
        if page.get_by_text(f"Accepted as package {number} of {model}.").count():
            return
        page.wait_for_timeout(1000)
        page.reload()
    raise AssertionError(page.locator("main").inner_text())
