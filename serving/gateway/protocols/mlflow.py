"""MLflow's scoring protocol: its four JSON forms, CSV and Parquet in, `{"predictions": …}` out.

MLflow changes some input in silence: what loses nothing is done here too, all else is refused, 422, by row and column.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from serving.contract import Batch, ContractError, Decoder
from serving.contract.frames import Unfit
from serving.contract.normalising import Altered
from serving.gateway.messages import JSON, Header, Reply, Request, value
from serving.gateway.parquet import READER
from serving.gateway.pool import Package
from serving.gateway.world import LiveRoute, LiveTable
from serving.routing import Target
from serving.runtimes import Answer, ModelError

# The release of MLflow whose scoring server this door answers like; `/version` says it, as that server does.
MLFLOW = "3.17.2"
CSV, PARQUET = "text/csv", "application/vnd.apache.parquet"
FORMS = frozenset({JSON[1], CSV, PARQUET})
# Every value is a Python object here until it is checked, so less is read on the event loop than by the other doors.
INLINE = 16 * 1024
BAD, INVALID = "BAD_REQUEST", "INVALID_PARAMETER_VALUE"
CODES = {
    400: BAD,
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "ENDPOINT_NOT_FOUND",
    422: INVALID,
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class Unread(ContractError):
    """The content type says something that is not read here."""


def inline(request: Request) -> bool:
    """Whether the body is read on the event loop; Parquet never, as a small file can unpack to a large one."""
    form = (request.headers.get("content-type") or "").strip().lower()
    return len(request.body) <= INLINE and not form.startswith(PARQUET)


def parse(package: Package, request: Request) -> tuple[Batch, None]:
    """Return the batch; raises ContractError, and Busy where too many Parquet files wait."""
    return _READ[_form(request.headers.get("content-type"))](package.decoder, request.body), None


def _form(content_type: str | None) -> str:
    """Return the form of the body: JSON where it is not said, UTF-8 always; raises Unread."""
    form, *parameters = (part.strip().lower() for part in (content_type or JSON[1]).split(";"))
    for name, _, text in (part.partition("=") for part in parameters):
        if name != "charset":
            raise _unread("the content type may have no parameter but charset")
        if text.strip('"') != "utf-8":
            raise _unread("only UTF-8 is read here")
    return form


def _unread(rule: str) -> Unread:
    return Unread([{"row": None, "field": None, "rule": rule}])


def _json(decoder: Decoder, body: bytes) -> Batch:
    return decoder.frames.json(body)


def _csv(decoder: Decoder, body: bytes) -> Batch:
    return decoder.frames.csv(body)


def _parquet(decoder: Decoder, body: bytes) -> Batch:
    frames = decoder.frames
    columns, clean = READER.read(body, frames.columns, lists=decoder.signature.tensor is not None)
    return frames.table(columns, clean=clean)


_READ: Mapping[str, Callable[[Decoder, bytes], Batch]] = {JSON[1]: _json, CSV: _csv, PARQUET: _parquet}


def encode(target: Target, model: str, package: Package, answer: Answer, asked: None) -> Reply:
    """Return a prediction in the form of the package's `predict_fn`; raises ModelError when JSON cannot hold it."""
    return value({"predictions": predictions(answer, package.manifest.predict_fn)})


def predictions(answer: Answer, predict_fn: str) -> list[Any]:
    """Return one number or label per row, or for `predict_proba` a list with one number per class."""
    if answer.values is not None:
        return list(answer.values.tolist())
    if predict_fn == "predict" or answer.probabilities is None:
        return list(answer.labels or [])
    found = answer.probabilities
    if predict_fn == "predict_log_proba":
        if not found.all():
            raise ModelError("The model's answer holds the logarithm of 0, which JSON cannot hold.")
        found = np.log(found)
    return list(found.tolist())


def refuse(problem: ContractError) -> Reply:
    """Return the 400 that MLflow gives too, or the 422 where it would have changed a value in silence."""
    status = 422 if isinstance(problem, Altered) else 415 if isinstance(problem, Unread) else 400
    return _failure(status, INVALID if isinstance(problem, (Altered, Unfit)) else BAD, str(problem))


def error(status: int, words: str, headers: Sequence[Header] = ()) -> Reply:
    return _failure(status, CODES.get(status, BAD), words, headers)


def _failure(status: int, code: str, words: str, headers: Sequence[Header] = ()) -> Reply:
    return Reply(status, msgspec.json.encode({"error_code": code, "message": words}), [JSON, *headers])


def models(live: LiveTable, names: list[str]) -> Reply:
    """There is no such address here."""
    return value({"models": names})


def model(live: LiveRoute, target: Target | None) -> Reply:
    """Answer `/ping` and `/health` of a model that is there."""
    off = live.route.off or live.lost
    return error(503, "This model is switched off.") if off else Reply(200, b"\n", [JSON])


def version() -> Reply:
    """Answer `/version`: a bare text, as MLflow sends it."""
    return Reply(200, MLFLOW.encode(), [JSON])
