"""Drill: a package is sent all the way; every suite starts by itself, QA signs in the browser, and production answers.

Then `kill -9` for the worker in the middle of each kind: no run hangs, none is counted twice, no gate opens wrongly.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from conftest import SHORT
from dashboard.demo.recipes import FLIGHT_ETA, TRAVEL_TIME, Recipe
from dashboard.demo.upload import zipped
from dashboard.tests.browser import uploads
from dashboard.tests.browser.site import PASSWORD, PATIENCE, Site
from dashboard.tests.drills.running import slipway, until

# Every test asks for the browser, so that pytest keeps them together and in this order.
pytestmark = [pytest.mark.drill, pytest.mark.usefixtures("browser")]

MODEL = "flight-eta"
ENVIRONMENTS = ("dev", "test", "staging", "production")
SHORT_RUNS = {
    "load": {"seconds": 3.0, "rate": 40.0},
    "stress": {"most_rate": 120.0, "step_seconds": 1.0, "start_rate": 40.0},
    "rehearsal": {"rate": 20.0},
}
# Package 1 finds nothing in staging that a gate of dev wants; smoke runs after every switch, asked or not.
EXPECTED = {
    ("unit", "test"),
    ("smoke", "dev"),
    ("smoke", "test"),
    ("integration", "test"),
    *((kind, "staging") for kind in ("smoke", "integration", "load", "stress", "rehearsal")),
}
FLIGHTS = {
    "A night flight across the country": {
        "distance": 2475,
        "month": 7,
        "hour": 21,
        "carrier": "B6",
        "origin": "JFK",
        "dest": "LAX",
    },
    "A short hop in winter": {"distance": 187, "month": 1, "hour": 9, "carrier": "B6", "origin": "JFK", "dest": "BOS"},
}
PHONE = {"width": 390, "height": 844}
TABS_MOST = 250
NARROW = 75.0
KILLED = ("unit", "rehearsal") if SHORT else ("unit", "integration", "smoke", "load", "stress", "rehearsal")
WORKER = {"unit": "long", "integration": "long", "smoke": "long"}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """An installation whose gates ask, with people of every role."""
    expect.set_options(timeout=PATIENCE)
    with slipway(asks=True) as running:
        running.start()
        found = Site(running)
        found.fill()
        api = running.api()
        api.post("/models/", name=MODEL, risk="medium")
        for kind, values in SHORT_RUNS.items():
            api.patch(f"/models/{MODEL}/suites/{kind}/", values=values)
        yield found


def registered(site: Site, recipe: Recipe, folder: Path) -> int:
    file = folder / f"{recipe.number}.zip"
    file.write_bytes(zipped(recipe.write(folder / str(recipe.number))))
    return site.slipway.api().accepted(MODEL, file)


def test_a_package_goes_all_the_way_and_qa_signs_on_a_phone(
    site: Site, browser: Browser, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    plan(site, browser)
    number, began = registered(site, FLIGHT_ETA[0], tmp_path), time.time()
    release = send(site, browser, number)
    until("production to wait for the signature alone", lambda: waits_for(site, release) == ["uat in staging"], 300)
    waited = time.time() - began
    api = site.slipway.api()
    runs = api.get("/runs/", model=MODEL, page_size=100)["results"]
    assert {(run["kind"], run["environment"]) for run in runs} == EXPECTED
    assert {run["state"] for run in runs} == {"passed"}
    assert {run["started_by"] for run in runs} == {None}, "Somebody started one by hand."
    context = site.person(browser, "quinn", viewport=PHONE)
    page = context.new_page()
    sign(page, number)
    on_paper(page, number)
    context.close()
    ended = api.ended(release)
    assert ended["state"] == "live", ended
    answer = ask_production(site)
    assert answer.headers["X-Package"] == str(number)
    tell(
        f"sent all the way: {len(runs)} suites started by themselves and passed, production waited for the signature "
        f"{waited:.0f} s after the registration, and answered {time.time() - began:.0f} s after it"
    )


def test_qa_rejects_by_keyboard_alone_and_the_release_stops(site: Site, browser: Browser, tmp_path: Path) -> None:
    number = registered(site, FLIGHT_ETA[1], tmp_path)
    release = send(site, browser, number)
    until("production to wait for the signature alone", lambda: waits_for(site, release) == ["uat in staging"], 300)
    context = site.person(browser, "quinn")
    page = context.new_page()
    page.goto("/uat/")
    press(page, page.get_by_role("button", name="Look at it in staging"))
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"package {number} in staging")
    press(page, page.get_by_role("button", name=re.compile("Run all cases")))
    first = page.locator("section.case").first
    expect(first.locator(".answer-value")).to_have_count(2)  # the candidate, and what is in production beside it
    reach(page, first.get_by_role("radio").first)
    page.keyboard.press("ArrowRight")
    write(page, first.get_by_label("Note"), "The night flight takes too long.")
    press(page, first.get_by_role("button", name=re.compile("^Save the mark")))
    expect(first.locator(".badge").first).to_contain_text("Fail")
    write(page, page.locator("#reject").get_by_label("Reason"), "The night flight takes too long.")
    press(page, page.get_by_role("button", name=f"Reject package {number}"))
    expect(page.get_by_text("Rejected by quinn")).to_be_visible()
    context.close()
    ended = site.slipway.api().ended(release)
    assert ended["state"] == "aborted"
    assert ask_production(site).headers["X-Package"] == "1"


def test_a_developer_who_registered_it_cannot_sign(site: Site, browser: Browser) -> None:
    context = site.person(browser, "dora")
    page = context.new_page()
    page.goto("/uat/")
    expect(page.get_by_role("button", name=re.compile("Look at it"))).to_have_count(0)
    token = page.locator("input[name=csrfmiddlewaretoken]").first.get_attribute("value")
    form = {"csrfmiddlewaretoken": token or "", "statement": "on", "password": PASSWORD}
    answer = context.request.post(f"{site.web}/uat/1/sign/", form=form, headers={"Referer": site.web})
    assert answer.status == 403
    context.close()


def test_beyond_its_capacity_a_costly_model_hurts_no_other(
    site: Site, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    """The package with the 25 nearest flights, which takes milliseconds, with a cheap model beside it.

    The limit of p99 is narrow, so that it breaks below what the generator can send on two shared cores.
    """
    api = site.slipway.api()
    number = registered(site, FLIGHT_ETA[4], tmp_path)
    api.promote(MODEL, number, "dev")
    neighbour(api, tmp_path)
    ended = stressed(api, number, "dev")
    figures = {figure["name"]: round(figure["value"], 1) for figure in ended["figures"]}
    said = {case["name"]: case["evidence"] for case in ended["cases"]}
    tell(f"stress of a costly model: {figures}; {said}")
    assert ended["state"] == "passed", [case for case in ended["cases"] if case["outcome"] != "passed"]
    outcomes = {case["name"]: case["outcome"] for case in ended["cases"]}
    assert outcomes["beyond it calls are refused fast"] == "passed"
    assert outcomes["other models keep their latency"] == "passed"


def test_a_release_whose_smoke_test_fails_in_production_goes_back_by_itself(
    site: Site, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    """The smoke test is given a limit of time that nothing can keep, once the first package is live everywhere."""
    api, model = site.slipway.api(), "smoky"
    api.post("/models/", name=model, risk="low")
    api.post("/environments/production/gates/", model=model, wants=[])
    first, second = [api.accepted(model, uploads.package(tmp_path, number)) for number in (1, 2)]
    for number, places in ((first, ENVIRONMENTS), (second, ENVIRONMENTS[:-1])):
        for environment in places:
            api.promote(model, number, environment)
    until("smoke to be over", lambda: not api.get("/runs/", model=model, state="running")["count"], 60)
    api.patch(f"/models/{model}/suites/smoke/", values={"limit_ms": 0.1})
    bad = api.promote(model, second, "production")
    began = time.time()

    def back() -> Any:
        newest = api.get("/releases/", model=model, environment="production")["results"][0]
        return newest if newest["package"] == first and newest["state"] == "live" else None

    release = until("package 1 to be back", back, 60)
    took = time.time() - began
    tell(f"a failed smoke test in production: rolled back by itself {took:.1f} s after the release was live")
    assert release["created_by"] is None
    assert release["rolls_back"] == bad["id"]
    assert "Smoke failed" in release["reason"]
    assert api.get(f"/models/{model}/")["live"]["production"] == first


@pytest.mark.parametrize("kind", KILLED)
def test_a_killed_worker_loses_no_run(site: Site, kind: str, tell: Callable[[str], None]) -> None:
    running, api = site.slipway, site.slipway.api()
    running.until_well()
    if kind == "smoke":
        api.patch(f"/models/{MODEL}/suites/smoke/", values={"requests": 1000})
    place = {"model": MODEL, "package": 1, "environment": "production" if kind == "smoke" else "staging"}
    if kind == "unit":
        place["environment"] = "test"
    elif kind != "smoke":
        back_in_staging(api)
    run = api.post("/runs/", kind=kind, **place)["id"]
    until("the run to begin", lambda: api.get(f"/runs/{run}/")["state"] != "queued", pause=0.01)
    time.sleep({"load": 2.0, "stress": 3.0}.get(kind, 0.2))
    seen = api.get(f"/runs/{run}/")["state"]
    os.kill(running.children()[WORKER.get(kind, "load")], signal.SIGKILL)
    began = time.time()
    ended = until(f"the end of {kind}", lambda: gone(api, run), 240, pause=0.2)
    tell(
        f"kill -9 in the middle of {kind} ({seen}): {ended['state']} after {time.time() - began:.0f} s, "
        f"attempt {ended['attempts']}"
    )
    assert ended["state"] == "passed", ended["reason"]
    assert ended["attempts"] == (2 if seen == "running" else 1)
    assert running.shell(COUNT.format(run=run)) == "1"
    if kind == "rehearsal":
        assert api.get(f"/models/{MODEL}/")["live"]["staging"] == 1, "It left another package live."


COUNT = "from releases.models import Evidence; print(Evidence.objects.filter(reference='run {run}').count())"


def stressed(api: Any, number: int, environment: str) -> Any:
    """Stress a package and return the run as it ended."""
    api.patch(
        f"/models/{MODEL}/suites/stress/",
        values={"step_seconds": 2.0, "start_rate": 40.0, "limit_p99_ms": NARROW, "least_rate": 1.0},
    )
    run = api.post("/runs/", model=MODEL, package=number, environment=environment, kind="stress")["id"]
    return until("the end of stress", lambda: gone(api, run), 300, pause=0.5)


def neighbour(api: Any, folder: Path) -> None:
    """A cheap model, live in dev."""
    api.post("/models/", name="travel-time", risk="low")
    file = folder / "travel-time.zip"
    file.write_bytes(zipped(TRAVEL_TIME.write(folder / "travel-time")))
    api.promote("travel-time", api.accepted("travel-time", file), "dev")


def back_in_staging(api: Any) -> None:
    """Package 2 was rejected; package 1 is what production has, so staging has it again, where it ever was there."""
    live = api.get(f"/models/{MODEL}/")["live"].get("staging")
    assert live, "The drill that sends packages all the way must have run before."
    if live != 1:
        back = api.post(f"/models/{MODEL}/rollback/", environment="staging", reason="Package 2 was rejected.")
        api.ended(back["id"])
        until("smoke after it", lambda: not api.get("/runs/", model=MODEL, state="running")["count"], 60)


def gone(api: Any, run: int) -> Any:
    found = api.get(f"/runs/{run}/")
    return found if found["state"] not in ("queued", "running") else None


def waits_for(site: Site, release: int) -> list[str]:
    """Names of the gates that a release still waits for."""
    found = site.slipway.api().get(f"/releases/{release}/")
    assert found["state"] == "waiting", found
    return [gate["name"] for gate in found["gates"] if gate["verdict"] not in ("pass", "overridden")]


def plan(site: Site, browser: Browser) -> None:
    """QA writes the plan in the browser; its first case expects a range, of the second a person judges."""
    folder = site.slipway.var.parent / "first"
    registered(site, FLIGHT_ETA[0], folder)
    context = site.person(browser, "quinn")
    page = context.new_page()
    for title, row in FLIGHTS.items():
        page.goto(f"/models/{MODEL}/uat/")
        page.get_by_role("link", name=re.compile("Add (a|the first) case")).first.click()
        page.get_by_label("Title").fill(title)
        for name, value in row.items():
            field = page.get_by_label(name, exact=True)
            field.select_option(str(value)) if field.evaluate("e => e.tagName") == "SELECT" else field.fill(str(value))
        if "night" in title:
            page.get_by_label("Expectation").select_option("range")
            page.get_by_label("At least").fill("200")
            page.get_by_label("At most").fill("500")
        page.get_by_role("button", name="Add the case").click()
        expect(page.get_by_role("rowheader", name=title)).to_be_visible()
    context.close()


def send(site: Site, browser: Browser, number: int) -> int:
    """The release manager sends the package all the way; the number of the last release."""
    context = site.person(browser, "marta")
    page = context.new_page()
    page.goto(f"/models/{MODEL}/promote/?package={number}&environment=production")
    page.get_by_role("button", name=f"Send package {number} to production").click()
    expect(page.get_by_role("list", name="Progress of the release")).to_be_visible()
    release = int(page.url.rstrip("/").rsplit("/", 1)[-1])
    expect(page.get_by_text("UAT has not been signed in staging yet.").first).to_be_visible()
    context.close()
    return release


def sign(page: Page, number: int) -> None:
    """Look at every case on a phone, mark each, and sign."""
    page.goto("/uat/")
    page.get_by_role("button", name="Look at it in staging").click()
    page.get_by_role("button", name="Run all cases").click()
    first, second = page.locator("section.case").all()
    second.get_by_label("Note").fill("As a pilot would say.")
    first.get_by_role("button", name=re.compile("^Run it again")).click()
    expect(second.get_by_label("Note")).to_have_value("As a pilot would say.")  # what was typed is not lost
    for title in FLIGHTS:
        case = page.locator("section.case", has=page.get_by_role("heading", name=title))
        expect(case.locator(".answer-value")).to_have_count(1)
        case.get_by_role("radio", name="Pass").check()
        case.get_by_label("Note").fill("As a pilot would say.")
        case.get_by_role("button", name=re.compile("Save the mark")).click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "The page is wider than the phone."
    page.goto(page.url.partition("#")[0])  # stop here, and come back
    expect(page.get_by_text("2 of 2 cases are done.")).to_be_visible()
    page.get_by_label(re.compile("I have looked at every case")).check()
    page.get_by_label("Your password again").fill("not this one")
    page.get_by_role("button", name=f"Sign for package {number}").click()
    expect(page.get_by_text("This is not your password.")).to_be_visible()
    page.get_by_label(re.compile("I have looked at every case")).check()
    page.get_by_label("Your password again").fill(PASSWORD)
    page.get_by_role("button", name=f"Sign for package {number}").click()
    expect(page.get_by_text(re.compile("Signed by quinn on"))).to_be_visible()


def on_paper(page: Page, number: int) -> None:
    """The print style shows the sheet and its digest, and none of the frame; the browser's PDF can be made."""
    page.emulate_media(media="print")
    expect(page.locator(".side")).to_be_hidden()
    expect(page.locator(".only-print code").first).to_be_visible()
    expect(page.get_by_text("As a pilot would say.").first).to_be_visible()
    assert len(page.pdf(format="A4")) > 10_000
    page.emulate_media(media="screen")


def ask_production(site: Site) -> httpx.Response:
    key = site.slipway.api().key("production")
    body = {"instances": [next(iter(FLIGHTS.values()))]}
    url = f"{site.slipway.production}/production/v1/models/{MODEL}:predict"
    head = {"Authorization": f"Bearer {key}"}

    def answer() -> httpx.Response | None:
        found = httpx.post(url, json=body, headers=head, timeout=10)
        return found if found.status_code == 200 else None

    found: httpx.Response = until("production to answer", answer, 30)
    return found


def reach(page: Page, wanted: Locator) -> None:
    """Press Tab until it has the focus."""
    expect(wanted).to_be_visible()
    for _ in range(TABS_MOST):
        if wanted.evaluate("each => each === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{wanted} cannot be reached with Tab.")


def press(page: Page, wanted: Locator) -> None:
    reach(page, wanted)
    page.keyboard.press("Enter")


def write(page: Page, wanted: Locator, text: str) -> None:
    reach(page, wanted)
    page.keyboard.type(text)
