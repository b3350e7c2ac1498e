"""A small client of one environment on a gateway: predict, ask whether it lives; one exception for all that fails."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import httpx


class GatewayError(Exception):
    """No prediction: `status` is that of HTTP, or None where there was no answer; the text is a sentence for people.

    `details` holds the broken rules of a refused request, each `{"row", "field", "rule"}`.
    """

    def __init__(
        self,
        sentence: str,
        status: int | None = None,
        request_id: str = "",
        details: list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(sentence)
        self.sentence, self.status, self.request_id, self.details = sentence, status, request_id, details or []


@dataclass(frozen=True)
class Answer:
    """The JSON body, which package gave it, and the seconds it took."""

    body: Any
    status: int
    package: int | None
    digest: str | None
    request_id: str | None
    seconds: float

    @property
    def predictions(self) -> list[Any]:
        """The list of a V1 answer."""
        found: list[Any] = self.body["predictions"]
        return found


class GatewayClient:
    """Calls `<gateway>/<environment>/…`; keeps its connections, so use it as a context manager or close it.

    `trust` says whom to believe behind https; without it, the certificates that this machine knows.
    """

    def __init__(
        self,
        gateway: str,
        environment: str = "production",
        *,
        key: str | None = None,
        timeout: float = 10.0,
        trust: ssl.SSLContext | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.gateway, self.environment, self.timeout = gateway.rstrip("/"), environment, timeout
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        # A proxy of the shell's is for the way out, never for our own gateway.
        self._http = httpx.Client(
            base_url=self.gateway,
            headers=headers,
            timeout=timeout,
            transport=transport,
            verify=trust or True,
            trust_env=False,
        )

    def predict_v1(
        self, model: str, instances: list[Any], *, package: int | str | None = None, request_id: str | None = None
    ) -> Answer:
        """Send rows as V1; `package` (number or digest) pins one, if the key may. Raises GatewayError."""
        path = f"/{self.environment}/v1/models/{model}:predict"
        return self._post(path, {"instances": instances}, package, request_id)

    def infer_v2(
        self,
        model: str,
        inputs: list[dict[str, Any]],
        *,
        version: int | None = None,
        outputs: list[dict[str, Any]] | None = None,
        package: int | str | None = None,
        request_id: str | None = None,
    ) -> Answer:
        """Send named tensors as V2 (Open Inference Protocol). Raises GatewayError."""
        chosen = "" if version is None else f"/versions/{version}"
        body: dict[str, Any] = {"inputs": inputs}
        if outputs is not None:
            body["outputs"] = outputs
        return self._post(f"/{self.environment}/v2/models/{model}{chosen}/infer", body, package, request_id)

    def metadata(self, model: str) -> dict[str, Any]:
        """Return what the gateway says of the model that answers there. Raises GatewayError."""
        found: dict[str, Any] = self._call("GET", f"/{self.environment}/v2/models/{model}", {}).body
        return found

    def live(self) -> bool:
        """Say whether the gateway answers at all."""
        return self._healthy("live")

    def ready(self) -> bool:
        """Say whether the gateway has loaded all that it should serve."""
        return self._healthy("ready")

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> GatewayClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _healthy(self, what: str) -> bool:
        try:
            return self._http.get(f"/v2/health/{what}").status_code == 200
        except httpx.HTTPError:
            return False

    def _post(self, path: str, body: dict[str, Any], package: int | str | None, request_id: str | None) -> Answer:
        given = {"X-Package": package, "X-Request-Id": request_id}
        headers = {name: str(value) for name, value in given.items() if value is not None}
        return self._call("POST", path, headers, body)

    def _call(self, method: str, path: str, headers: dict[str, str], body: Any = None) -> Answer:
        begin = time.perf_counter()
        try:
            response = self._http.request(method, path, json=body, headers=headers)
        except httpx.TimeoutException as error:
            raise GatewayError(f"{self.gateway} gave no answer within {self.timeout:g} s.") from error
        except httpx.HTTPError as error:
            raise GatewayError(f"{self.gateway} cannot be reached: {error}") from error
        return _answer(response, time.perf_counter() - begin)


def _answer(response: httpx.Response, seconds: float) -> Answer:
    """Return the answer; raises GatewayError for anything but a 2xx with JSON in it."""
    request_id = response.headers.get("X-Request-Id")
    if not response.is_success:
        raise GatewayError(_sentence(response), response.status_code, request_id or "", _details(response))
    try:
        body = response.json()
    except ValueError as error:
        raise GatewayError("The answer is not JSON.", response.status_code, request_id or "") from error
    number = response.headers.get("X-Package", "")
    package = int(number) if number.isdecimal() else None
    digest = response.headers.get("X-Package-Digest")
    return Answer(body, response.status_code, package, digest, request_id, seconds)


def _sentence(response: httpx.Response) -> str:
    """Return the gateway's own words, or the status where it has none."""
    try:
        return str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"The gateway answered {response.status_code} {response.reason_phrase}."


def _details(response: httpx.Response) -> list[dict[str, Any]]:
    """Return the broken rules that the gateway lists, none where it lists none."""
    try:
        found = response.json()["details"]
    except (ValueError, KeyError, TypeError):
        return []
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
