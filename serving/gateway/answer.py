"""The whole gateway as one function: a request in, a reply out; no server, no framework, no Redis."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from serving.gateway import addresses, cors, keys, protocols, tracing, unpacking
from serving.gateway.addresses import Place
from serving.gateway.callers import Callers
from serving.gateway.guard import guard as guard_of
from serving.gateway.messages import Problem, Reply, Request, value
from serving.gateway.predicting import Predictor, Way, pinned
from serving.gateway.protocols import PROTOCOLS, mlflow, openapi
from serving.gateway.strangers import Strangers
from serving.gateway.world import Live, LiveRoute, LiveTable, World
from serving.routing import Key

VERSION = "0.1.0"
RETRY, LATER = ("retry-after", "1"), ("retry-after", "5")
MOST_WAYS = 4096
EXTENSIONS = ["binary_tensor_data"]
CHARSET = re.compile(r"charset\s*=\s*\"?([^\s;\"]+)", re.IGNORECASE)
GOOD_ID = re.compile(r"[!-~]{1,128}\Z")


class Gateway:
    """Answers requests from the world that is live when they come."""

    def __init__(
        self,
        live: Live,
        predictor: Predictor,
        callers: Callers,
        boot: str,
        mlflow_model: str = "",
        strangers: Strangers | None = None,
        scrape: Callable[[Request], Awaitable[Reply]] | None = None,
    ) -> None:
        self._live, self._predictor, self._callers = live, predictor, callers
        self._mlflow_model, self._strangers = mlflow_model, strangers or Strangers()
        self._scrape = scrape or _nothing
        self._ids = (f"{boot}-{number:x}" for number in itertools.count(1))
        self._world, self._ways = live.world, dict[tuple[str, str | None], Way]()

    async def answer(self, request: Request) -> Reply:
        """Return the reply to any request; errors are JSON, and none is raised."""
        guard = held = None
        try:
            way = self._known(request) or self._find(request, self._live.world)
            if isinstance(way, Way):
                way.trace.fresh, guard = True, way.guard
                if guard is not None:
                    guard.enter(request.began)
                    held = guard
                _check_form(request, way.door.FORMS)
                reply = await self._predictor.predict(request, way, _pin(request, way.place, way.key))
            else:
                reply = way if isinstance(way, Reply) else await way
        except Problem as problem:
            reply = _say(request.path, problem)
        finally:
            if held is not None:
                held.leave()
        if guard is not None:
            # What an answer to a caller with limits carries, a refusal carries too.
            reply.headers += guard.headers(request.headers.get("origin"))
        reply.headers.append(("x-request-id", self._request_id(request)))
        if (parent := request.headers.get("traceparent")) is not None:
            reply.headers += tracing.answer(parent)
        return reply

    def _known(self, request: Request) -> Way | None:
        """The way of an earlier prediction with this address and key, while the tables and the key are as they were."""
        if self._world is not self._live.world:
            self._world, self._ways = self._live.world, {}
        way = self._ways.get((request.path, request.headers.get("authorization")))
        if way is None or request.method != "POST":
            return None
        expires = None if way.key is None else way.key.expires
        return way if expires is None or expires > time.time() else None

    def _find(self, request: Request, world: World) -> Way | Reply | Awaitable[Reply]:
        """Return the way of a prediction, or the reply to anything else; raises Problem."""
        place = addresses.read(request.path)
        if place is None:
            raise Problem(404, "There is nothing at this address.")
        at_root = place.protocol == "mlflow" and not place.model
        if at_root:
            place = _named(place, self._mlflow_model)
        if request.method == "OPTIONS":
            return _options(request, place, world)
        _check_method(request.method, place.method)
        if at_root and place.method == "GET":
            # MLflow's client asks without a key whether it is there; only of this model, which a setting names.
            live = _table(place, world)
            return _describe(place, live, _model(place, live, None))
        if place.verb in ("live", "ready", "server", "alive", "metrics"):
            return self._scrape(request) if place.verb == "metrics" else _server(place, world)
        live = _table(place, world)
        authorization = request.headers.get("authorization")
        key = self._identify(request, live, authorization)
        try:
            found = self._allowed(place, live, key)
        except Problem as problem:
            problem.headers += cors.headers(key, request.headers.get("origin"))
            raise
        if isinstance(found, Reply):
            found.headers += cors.headers(key, request.headers.get("origin"))
            return found
        trace, limiter = self._callers.trace(live, key), self._callers.limiter(live, key)
        way = Way(place, PROTOCOLS[place.protocol], live, found, key, trace, guard_of(limiter, key))
        self._keep(request.path, authorization, way)
        return way

    def _identify(self, request: Request, live: LiveTable, authorization: str | None) -> Key | None:
        try:
            return keys.identify(live, authorization, time.time())
        except Problem as problem:
            self._strangers.note(live.table.environment, str(problem), request)
            raise

    def _allowed(self, place: Place, live: LiveTable, key: Key | None) -> Reply | LiveRoute:
        """Return the route of a prediction that the key is for, or the reply to a question; raises Problem."""
        self._callers.trace(live, key).fresh = True
        if place.verb == "models":
            names = [name for name in live.routes if keys.may_use(key, name)]
            return PROTOCOLS[place.protocol].models(live, names)
        found = _model(place, live, key)
        return _describe(place, live, found) if place.method == "GET" else found

    def _keep(self, path: str, authorization: str | None, way: Way) -> None:
        """Only what was found is kept, so that strangers cannot fill it; a flood of good keys starts it afresh."""
        if len(self._ways) >= MOST_WAYS:
            self._ways.clear()
        self._ways[path, authorization] = way

    def _request_id(self, request: Request) -> str:
        given = request.headers.get("x-request-id")
        return given if given and GOOD_ID.match(given) else next(self._ids)


async def _nothing(request: Request) -> Reply:
    raise Problem(404, "There is nothing at this address.")


def _say(path: str, problem: Problem) -> Reply:
    """Every protocol has its own form of an error."""
    reply = protocols.error(path, problem.status, str(problem), problem.headers)
    reply.kind = problem.kind
    return reply


def _named(place: Place, model: str) -> Place:
    """Return where MLflow's addresses at the root lead: to the model that a setting names, `environment/model`."""
    if not model:
        words = "No model answers at this address: the gateway's setting MLFLOW_MODEL names none. Use "
        raise Problem(404, f"{words}/<environment>/mlflow/<model>/invocations.")
    environment, _, name = model.rpartition("/")
    return replace(place, environment=environment or None, model=name)


def _model(place: Place, live: LiveTable, key: Key | None) -> LiveRoute:
    if not keys.may_use(key, place.model):
        raise Problem(403, "This API key is not for this model.")
    found = live.routes.get(place.model)
    if found is None:
        raise Problem(404, f"There is no model of this name in {live.table.environment}.")
    return found


def _check_method(method: str, wanted: str) -> None:
    if method != wanted and not (method == "HEAD" and wanted == "GET"):
        raise Problem(405, f"This address takes {wanted} only.", [("allow", _allow(wanted))])


def _allow(method: str) -> str:
    return "GET, HEAD, OPTIONS" if method == "GET" else f"OPTIONS, {method}"


def _options(request: Request, place: Place, world: World) -> Reply:
    live = world.tables.get(place.environment or world.default or "")
    return Reply(
        204, b"", [("allow", _allow(place.method)), *cors.preflight(live, place.method, request.headers, time.time())]
    )


def _check_form(request: Request, forms: frozenset[str]) -> None:
    """A missing content type is taken for JSON, a wrong one is refused, and so is a coding that is not known."""
    form = request.headers.get("content-type") or "application/json"
    if form not in forms and form.partition(";")[0].strip().lower() not in forms:
        raise Problem(415, f"The body must be sent with Content-Type: {' or '.join(sorted(forms))}.")
    if form not in forms and (charset := CHARSET.search(form)) and charset[1].lower() not in ("utf-8", "utf8"):
        raise Problem(415, "The body must be UTF-8, whatever the content type says.")
    if (coding := request.headers.get("content-encoding")) is not None:
        request.coding = unpacking.coding(coding)


def _table(place: Place, world: World) -> LiveTable:
    """Return the environment's table; raises Problem 404 where it is not served, 503 while it is not loaded."""
    environment = place.environment or world.default
    live = world.tables.get(environment or "")
    if live is not None:
        return live
    if not world.ready and not world.served:
        raise Problem(503, "The gateway is starting; try again in a second.", [RETRY], "loading")
    if environment in world.waiting:
        raise Problem(503, f"What was released to {environment} is not loaded here yet; try again.", [LATER], "loading")
    if environment in world.served:
        raise Problem(404, f"Nothing has been released to {environment} yet.")
    here = ", ".join(world.served) or "none yet"
    raise Problem(404, f"This gateway does not serve that environment; it serves: {here}.")


def _server(place: Place, world: World) -> Reply:
    if place.environment is not None and place.environment not in world.served:
        raise Problem(404, f"This gateway does not serve that environment; it serves: {', '.join(world.served)}.")
    if place.verb == "server":
        return value({"name": "slipway", "version": VERSION, "extensions": EXTENSIONS})
    if place.verb == "alive":
        return value({"status": "alive"})
    ready = world.ready and place.environment not in world.waiting
    if place.verb == "live":
        return value({"live": True, "ready": ready})
    said: dict[str, Any] = {"live": True, "ready": True} | _cut_off(world)
    if not ready:
        names = ", ".join(sorted(world.waiting))
        words = f"What was released to {names} is not loaded here yet." if names else "The gateway is starting."
        raise Problem(503, " ".join([words, *_cut_off(world).values()]), [RETRY])
    return value(said)


def _cut_off(world: World) -> dict[str, str]:
    """A gateway without Redis answers as before, and says that it may not know of the newest changes."""
    if world.cut_off is None:
        return {}
    since = datetime.fromtimestamp(world.cut_off, UTC).isoformat(timespec="seconds")
    return {"warning": f"Redis is away since {since}: routes, keys and limits are as they were then."}


def _describe(place: Place, live: LiveTable, found: LiveRoute) -> Reply:
    target = pinned(found, place.model, place.version) if place.version is not None else None
    if place.verb == "openapi":
        return openapi.document(place, live, found, target)
    if place.verb == "version":
        return mlflow.version()
    if place.verb != "model-ready":
        return PROTOCOLS[place.protocol].model(found, target)
    if target is None and (found.lost or found.route.off):
        raise Problem(
            503, f"{place.model} is {'not loaded here' if found.lost else 'switched off'} at the moment.", [LATER]
        )
    return value({"name": place.model, "ready": True})


def _pin(request: Request, place: Place, key: Key | None) -> str | None:
    """Return the package that the request names, in its address or its header; raises Problem 403 without the right."""
    pin = place.version if place.version is not None else request.headers.get("x-package")
    if pin is None:
        return None
    if not keys.may_pin(key):
        raise Problem(403, "This API key may not choose the package.")
    # An empty one is most likely a variable that was not set: no package has that name.
    return pin.strip()
