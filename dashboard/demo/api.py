"""Slipway's public REST API as the demo calls it: JSON in and out, and one exception with the server's sentence."""

from __future__ import annotations

import time
from typing import Any

import httpx

TRIES, PAUSE = 20, 0.5
AWAY = (None, 503)  # no answer, or a database that is busy
Json = dict[str, Any]


class ApiError(Exception):
    """The API said no, or nothing: the text is its sentence; `status` is None where there was no answer."""

    def __init__(self, sentence: str, status: int | None = None) -> None:
        super().__init__(sentence)
        self.sentence, self.status = sentence, status


class Api:
    """Calls `<web>/api/…` with a token; waits a little for a web process that is away or busy."""

    def __init__(
        self, web: str, token: str, *, transport: httpx.BaseTransport | None = None, pause: float = PAUSE
    ) -> None:
        self.web, self.pause = web.rstrip("/"), pause
        headers = {"Authorization": f"Token {token}"}
        base = f"{self.web}/api"
        self._http = httpx.Client(base_url=base, headers=headers, timeout=60, transport=transport, trust_env=False)

    def get(self, path: str, **query: str | int) -> Json:
        """Return one object; raises ApiError."""
        return self._call("GET", path, params=query)

    def find(self, path: str) -> Json | None:
        """Return one object, or None where there is none; raises ApiError for anything else."""
        try:
            return self.get(path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def rows(self, path: str, **query: str | int) -> list[Json]:
        """Return the first 200 rows of a list."""
        found: list[Json] = self.get(path, **query, page_size=200)["results"]
        return found

    def post(self, path: str, body: Json) -> Json:
        """Send JSON; raises ApiError."""
        return self._call("POST", path, json=body)

    def patch(self, path: str, body: Json) -> Json:
        """Change what is named; raises ApiError."""
        return self._call("PATCH", path, json=body)

    def upload(self, path: str, filename: str, content: bytes, fields: dict[str, str]) -> Json:
        """Send a file with fields; raises ApiError."""
        return self._call("POST", path, files={"file": (filename, content)}, data=fields)

    def _call(self, method: str, path: str, **options: Any) -> Json:
        for left in reversed(range(TRIES)):
            try:
                return self._once(method, path, options)
            except ApiError as error:
                if error.status not in AWAY or not left:
                    raise
            time.sleep(self.pause)
        raise AssertionError("unreachable: the last try returns or raises")

    def _once(self, method: str, path: str, options: dict[str, Any]) -> Json:
        try:
            response = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            words = f"The web process at {self.web} cannot be reached: {error}. Is Slipway up (make up)?"
            raise ApiError(words) from error
        if not response.is_success:
            raise ApiError(_sentence(response), response.status_code)
        found: Json = response.json()
        return found


def _sentence(response: httpx.Response) -> str:
    """Return the words of an error answer: its `detail`, else each field with its sentence."""
    try:
        body = response.json()
    except ValueError:
        return f"{response.request.url.path} answered {response.status_code}."
    if "detail" in body:
        return str(body["detail"])
    return " ".join(f"{field}: {' '.join(map(str, words))}" for field, words in body.items())
