"""The OpenAPI document and its Swagger page."""

from __future__ import annotations

import io

import pytest
from django.core.management import call_command


def test_the_schema_is_valid_and_nothing_in_it_was_guessed():
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=io.StringIO())


@pytest.mark.browser
@pytest.mark.filterwarnings("ignore::pytest.PytestRemovedIn10Warning")  # of the plugin that gives `page`
def test_the_swagger_page_works_under_the_strict_policy(live_server, page):
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"{live_server.url}/api/docs/")
    page.locator("#operations-models-models_list").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute", exact=True).click()
    page.locator(".live-responses-table").get_by_text("401", exact=True).wait_for()
    assert said == ["Failed to load resource: the server responded with a status of 401 (Unauthorized)"]


def test_the_document_and_its_page_need_no_sign_in_and_hold_no_inline_script(client, db):
    assert client.get("/api/schema/").status_code == 200
    shown = client.get("/api/docs/")
    assert "default-src 'self'" in shown["Content-Security-Policy"]
    assert b"<script>" not in shown.content
    assert b"<style" not in shown.content
    assert client.get("/api/docs/?script=")["Content-Type"].startswith("application/javascript")
