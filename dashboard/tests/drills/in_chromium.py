"""Run a bundle in Chromium, in a process of its own: a page's address and requests in, their answers out, as JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

from playwright.sync_api import sync_playwright

ASK = """async (bodies) => {
  const found = [];
  for (const body of bodies) {
    try {
      found.push({ predictions: await window.slipwayEdge.model.predict(body) });
    } catch (error) {
      if (!error.details) throw error;
      found.push({ details: error.details });
    }
  }
  return found;
}"""


def main(given: dict[str, Any]) -> list[dict[str, Any]]:
    """Open the page with the session of somebody who has signed in; return one answer a request."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=given["chromium"], args=["--no-sandbox"])
        context = browser.new_context()
        context.add_cookies([{"name": "sessionid", "value": given["session"], "url": given["web"]}])
        page = context.new_page()
        page.goto(given["web"] + given["path"])
        page.wait_for_selector('[data-edge="ready"]', timeout=60_000)
        found: list[dict[str, Any]] = page.evaluate(ASK, given["bodies"])
        browser.close()
    return found


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin)), sys.stdout)
