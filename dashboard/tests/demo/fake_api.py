"""A web process as the demo sees it: models, intakes, packages, releases and keys, in lists, by the same rules."""

import json
import re
from collections.abc import Callable
from typing import Any

import httpx

ORDER = ["dev", "test", "staging", "production"]


class FakeApi(httpx.MockTransport):
    """Answers like the REST API; `refuse` are files that the intake refuses, `fail` environments that take nothing."""

    def __init__(self) -> None:
        self.models: dict[str, dict[str, Any]] = {}
        self.packages: list[dict[str, Any]] = []
        self.intakes: list[dict[str, Any]] = []
        self.releases: list[dict[str, Any]] = []
        self.keys: list[dict[str, Any]] = []
        self.cases: list[dict[str, Any]] = []
        self.posts: list[str] = []
        self.tokens: set[str] = set()
        self.refuse: set[str] = set()
        self.fail: set[str] = set()
        self.busy = 0
        self.looks_until_done = 2
        super().__init__(self.handle)

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.tokens.add(request.headers["Authorization"])
        if self.busy:
            self.busy -= 1
            return httpx.Response(503, json={"detail": "The database is busy."})
        path = request.url.path.removeprefix("/api")
        if request.method == "POST":
            self.posts.append(path)
        for pattern, method, answer in self.addresses():
            if request.method == method and (match := re.fullmatch(pattern, path)):
                return answer(request, *match.groups())
        return httpx.Response(404, json={"detail": f"{request.method} {path}"})

    def addresses(self) -> list[tuple[str, str, Callable[..., httpx.Response]]]:
        return [
            ("/models/", "POST", self.make_model),
            ("/models/([^/]+)/", "GET", self.get_model),
            ("/models/([^/]+)/", "PATCH", self.change_model),
            ("/models/([^/]+)/uat/", "GET", lambda request, name: httpx.Response(200, json=self.cases)),
            ("/models/([^/]+)/uat/", "POST", self.add_case),
            ("/models/([^/]+)/packages/", "GET", self.list_packages),
            ("/models/([^/]+)/packages/", "POST", self.upload),
            (r"/models/([^/]+)/packages/(\d+)/", "GET", self.get_package),
            (r"/intakes/(\d+)/", "GET", self.get_intake),
            ("/releases/", "GET", self.list_releases),
            ("/releases/", "POST", self.promote),
            (r"/releases/(\d+)/", "GET", self.get_release),
            ("/keys/", "GET", lambda request: listed(self.keys)),
            ("/keys/", "POST", self.issue),
        ]

    def add_case(self, request: httpx.Request, name: str) -> httpx.Response:
        self.cases.append(json.loads(request.content))
        return httpx.Response(201, json=self.cases[-1])

    def make_model(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        self.models[body["name"]] = {**body, "live": {}}
        return httpx.Response(201, json=self.models[body["name"]])

    def get_model(self, request: httpx.Request, name: str) -> httpx.Response:
        found = self.models.get(name)
        return httpx.Response(200, json=found) if found else httpx.Response(404, json={"detail": "Not found."})

    def change_model(self, request: httpx.Request, name: str) -> httpx.Response:
        self.models[name] |= json.loads(request.content)
        return httpx.Response(200, json=self.models[name])

    def list_packages(self, request: httpx.Request, name: str) -> httpx.Response:
        return listed([package for package in self.packages if package["model"] == name])

    def upload(self, request: httpx.Request, name: str) -> httpx.Response:
        text = request.content.decode("latin-1")
        filename = re.search(r'filename="([^"]+)"', text).group(1)
        notes = re.search(r'name="notes"\r\n\r\n(.*?)\r\n', text).group(1)
        intake = {"id": len(self.intakes) + 1, "state": "queued", "model": name, "looks": 0, "package": None}
        self.intakes.append(intake | {"filename": filename, "notes": notes, "reason": ""})
        return httpx.Response(202, json=intake)

    def get_intake(self, request: httpx.Request, pk: str) -> httpx.Response:
        intake = self.intakes[int(pk) - 1]
        intake["looks"] += 1
        if intake["looks"] >= self.looks_until_done and intake["state"] == "queued":
            self.end(intake)
        return httpx.Response(200, json=intake)

    def end(self, intake: dict[str, Any]) -> None:
        if intake["filename"] in self.refuse:
            intake |= {"state": "refused", "reason": "a tree points outside"}
            return
        number = 1 + sum(package["model"] == intake["model"] for package in self.packages)
        package = {"model": intake["model"], "number": number, "notes": intake["notes"], "runtime_reason": "Equal."}
        self.packages.append(package)
        intake |= {"state": "accepted", "package": number}

    def get_package(self, request: httpx.Request, name: str, number: str) -> httpx.Response:
        found = [p for p in self.packages if (p["model"], p["number"]) == (name, int(number))]
        return httpx.Response(200, json=found[0])

    def list_releases(self, request: httpx.Request) -> httpx.Response:
        wanted = {name: request.url.params[name] for name in ("model", "package", "environment")}
        return listed([r for r in self.releases if all(str(r[name]) == value for name, value in wanted.items())])

    def promote(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        missing = ORDER[: ORDER.index(body["environment"])][-1:]
        been = [r["environment"] for r in self.releases if self.is_there(r, body)]
        if missing and missing[0] not in been:
            return httpx.Response(409, json={"detail": f"Not in {missing[0]} yet.", "legal": []})
        release = {"id": len(self.releases) + 1, "state": "waiting", "looks": 0, "note": "", **body}
        self.releases.append(release)
        return httpx.Response(201, json=release)

    def is_there(self, release: dict[str, Any], body: dict[str, Any]) -> bool:
        same = (release["model"], release["package"]) == (body["model"], body["package"])
        return same and release["state"] == "live"

    def get_release(self, request: httpx.Request, pk: str) -> httpx.Response:
        release = self.releases[int(pk) - 1]
        release["looks"] += 1
        if release["looks"] >= self.looks_until_done and release["state"] == "waiting":
            failed = release["environment"] in self.fail
            release |= {"state": "failed", "note": "smoke failed"} if failed else {"state": "live"}
            if not failed:
                self.models[release["model"]]["live"][release["environment"]] = release["package"]
        return httpx.Response(200, json=release)

    def issue(self, request: httpx.Request) -> httpx.Response:
        secret = f"sk_{len(self.keys)}23456789012345"
        self.keys.append({"prefix": secret[:10], **json.loads(request.content)})
        return httpx.Response(201, json=self.keys[-1] | {"secret": secret})


def listed(rows: list[dict[str, Any]]) -> httpx.Response:
    return httpx.Response(200, json={"count": len(rows), "next": None, "previous": None, "results": rows})
