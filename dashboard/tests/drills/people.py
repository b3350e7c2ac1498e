"""Those who use an installation in a drill: a program with a token, and a person who posts the pages' own forms."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx

ENDED = ("live", "failed", "aborted")
RELEASE = re.compile(r"/releases/(\d+)/")


class Api:
    """The REST API with a token."""

    def __init__(self, web: str, token: str) -> None:
        headers = {"Authorization": f"Token {token}"}
        self.http = httpx.Client(base_url=f"{web}/api", headers=headers, timeout=60, trust_env=False)

    def get(self, path: str, **query: Any) -> Any:
        return _read(self.http.get(path, params=query))

    def post(self, path: str, **body: Any) -> Any:
        return _read(self.http.post(path, json=body))

    def patch(self, path: str, **body: Any) -> Any:
        return _read(self.http.patch(path, json=body))

    def key(self, environment: str) -> str:
        """Issue a key that may pin; return its secret."""
        return str(self.post("/keys/", environment=environment, name="drill", pin=True)["secret"])

    def upload(self, model: str, file: Path, seconds: float = 180.0, **fields: str) -> dict[str, Any]:
        """Upload and wait for the end of the intake; return its report."""
        with file.open("rb") as data:
            answer = self.http.post(f"/models/{model}/packages/", files={"file": (file.name, data)}, data=fields)
        number, end = _read(answer)["id"], time.monotonic() + seconds
        while time.monotonic() < end:
            report: dict[str, Any] = self.get(f"/intakes/{number}/")
            if report["state"] not in ("queued", "running"):
                return report
            time.sleep(0.1)
        raise AssertionError(f"The intake of {file.name} has not ended after {seconds:.0f} s: {report}")

    def accepted(self, model: str, file: Path, **fields: str) -> int:
        """Upload a package that must be accepted; return its number."""
        report = self.upload(model, file, **fields)
        assert report["state"] == "accepted", report
        return int(report["package"])

    def promote(self, model: str, package: int, environment: str, **more: Any) -> dict[str, Any]:
        """Promote and wait until the release is live."""
        release = self.post("/releases/", model=model, package=package, environment=environment, **more)
        ended = self.ended(release["id"])
        assert ended["state"] == "live", ended
        return ended

    def ended(self, release: int, seconds: float = 120.0) -> dict[str, Any]:
        """Wait until a release has ended and return it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found: dict[str, Any] = self.get(f"/releases/{release}/")
            if found["state"] in ENDED:
                return found
            time.sleep(0.1)
        raise AssertionError(f"Release {release} has not ended after {seconds:.0f} s: {found}")


class Browser:
    """A person's session: signs in, opens pages, and posts their forms."""

    def __init__(self, web: str, name: str, password: str) -> None:
        self.http = httpx.Client(base_url=web, timeout=60, trust_env=False)
        answer = self.submit("/sign-in/", "password", username=name, password=password)
        assert answer.status_code == 302, answer.text[:500]
        assert "sessionid" in self.http.cookies, "The sign-in failed."

    def form(self, path: str, mark: str) -> tuple[str, dict[str, str]]:
        """Open a page; return the address and the filled fields of its form that has a field `mark`."""
        page = self.http.get(path)
        assert page.status_code == 200, f"{path}: {page.status_code} {page.text[:300]}"
        reader = _Forms()
        reader.feed(page.text)
        action, fields = next(form for form in reader.forms if mark in form[1])
        return action or path, fields

    def send(self, action: str, fields: dict[str, str]) -> httpx.Response:
        """The click: post what the form holds; returns the answer, unredirected."""
        return self.http.post(action, data=fields, headers={"Referer": str(self.http.base_url)})

    def submit(self, path: str, mark: str, **fields: str) -> httpx.Response:
        action, filled = self.form(path, mark)
        return self.send(action, filled | fields)


class _Forms(HTMLParser):
    """Every form of a page as (action, {name: value}): inputs, chosen radios and options, text areas."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str]]] = []
        self.select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append((given.get("action", ""), {}))
        if not self.forms:
            return
        fields, name = self.forms[-1][1], given.get("name", "")
        unchosen = given.get("type") in ("radio", "checkbox") and "checked" not in given
        if tag == "select":
            self.select = name
        elif tag == "option" and (self.select not in fields or "selected" in given):
            fields[self.select] = given.get("value", "")
        elif tag in ("input", "textarea") and name and not unchosen:
            fields[name] = given.get("value", "")


def release_of(answer: httpx.Response) -> int:
    """Return the number of the release that a form's answer leads to."""
    found = RELEASE.search(answer.headers.get("Location", ""))
    assert found, f"{answer.status_code}: {answer.text[:600]}"
    return int(found[1])


def _read(answer: httpx.Response) -> Any:
    assert answer.status_code < 400, f"{answer.request.url}: {answer.status_code} {answer.text[:500]}"
    return answer.json()
