"""The whole gateway as one function: a request in, a reply out; no server, no framework, no Redis."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

from serving.gateway import addresses, cors, keys, protocols, questions, tracing, unpacking
from serving.gateway.addresses import Place
from serving.gateway.callers import Callers
from serving.gateway.guard import Guard
from serving.gateway.guard import guard as guard_of
from serving.gateway.messages import Problem, Reply, Request
from serving.gateway.predicting import Predictor
from serving.gateway.protocols import PROTOCOLS
from serving.gateway.strangers import Strangers
from serving.gateway.ways import Way
from serving.gateway.world import Live, LiveRoute, LiveTable, World
from serving.routing import Key

MOST_WAYS = 4096
JSON_ONLY = frozenset({"application/json"})
# What anybody may ask of the gateway itself.
KEYLESS = frozenset({"live", "ready", "server", "alive", "metrics"})
REQUEST_ID = "x-request-id"
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
        streams: Callable[[Request, Place, LiveTable], Awaitable[Reply]] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._live, self._predictor, self._callers = live, predictor, callers
        self._mlflow_model, self._strangers = mlflow_model, strangers or Strangers()
        self._scrape, self._streams, self._clock = scrape or _nothing, streams, clock
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
        return self._signed(request, guard, reply)

    def straight(self, request: Request, then: Callable[[Reply], object]) -> bool:
        """Give `then` what `answer` would return, without a coroutine; False where it takes one.

        For requests with no header that asks for more than the prediction.
        """
        way = self._known(request)
        if way is None or not way.plain or not way.door.inline(request):
            return False
        way.trace.fresh, guard = True, way.guard
        ended = partial(self._ended, request, guard, then)
        try:
            if guard is not None:
                guard.enter(request.began)
        except Problem as problem:
            then(self._signed(request, guard, _say(request.path, problem)))
            return True
        try:
            if request.headers.get("content-type") not in way.door.FORMS:
                _check_form(request, way.door.FORMS)
            self._predictor.begin(request, way, ended)
        except Problem as problem:
            ended(_say(request.path, problem))
        return True

    def _ended(self, request: Request, guard: Guard | None, then: Callable[[Reply], object], reply: Reply) -> None:
        if guard is not None:
            guard.leave()
            reply.own += guard.headers(request.headers.get("origin"))
        reply.own.append((REQUEST_ID, next(self._ids)))
        then(reply)

    def _signed(self, request: Request, guard: Guard | None, reply: Reply) -> Reply:
        """Add what every reply carries; what an answer to a caller with limits carries, a refusal carries too."""
        if guard is not None:
            reply.own += guard.headers(request.headers.get("origin"))
        reply.own.append((REQUEST_ID, self._request_id(request)))
        if (parent := request.headers.get("traceparent")) is not None:
            reply.own += tracing.answer(parent)
        return reply

    def _known(self, request: Request) -> Way | None:
        """The way of an earlier prediction with this address and key, while the tables and the key are as they were."""
        if self._world is not self._live.world:
            self._world, self._ways = self._live.world, {}
        way = self._ways.get((request.path, request.headers.get("authorization")))
        if way is None or request.method != "POST":
            return None
        expires = None if way.key is None else way.key.expires
        return way if expires is None or expires > self._clock() else None

    def _find(self, request: Request, world: World) -> Way | Reply | Awaitable[Reply]:
        """Return the way of a prediction, or the reply to anything else; raises Problem."""
        place = addresses.read(request.path)
        if place is None:
            raise Problem(404, "There is nothing at this address.")
        at_root = place.protocol == "mlflow" and not place.model
        if at_root:
            place = _named(place, self._mlflow_model)
        if request.method == "OPTIONS":
            return _options(request, place, world, self._clock())
        _check_method(request.method, place.method)
        if at_root and place.method == "GET":
            # MLflow's client asks without a key whether it is there; only of this model, which a setting names.
            live = questions.table(place, world)
            return questions.describe(place, live, questions.model(place, live, None))
        if place.verb in KEYLESS:
            return self._scrape(request) if place.verb == "metrics" else questions.server(place, world)
        return self._keyed(request, place, questions.table(place, world))

    def _keyed(self, request: Request, place: Place, live: LiveTable) -> Way | Reply | Awaitable[Reply]:
        """Return the way, or the reply, to a request that a key is needed for; raises Problem."""
        authorization = request.headers.get("authorization")
        key = self._identify(request, live, authorization)
        if place.protocol == addresses.STREAM:
            return self._stream(request, place, live, key)
        try:
            found = self._allowed(place, live, key)
        except Problem as problem:
            problem.headers += cors.headers(key, request.headers.get("origin"))
            raise
        if isinstance(found, Reply):
            found.own += cors.headers(key, request.headers.get("origin"))
            return found
        way = self._way(place, live, found, key)
        self._keep(request.path, authorization, way)
        return way

    def _way(self, place: Place, live: LiveTable, found: LiveRoute, key: Key | None) -> Way:
        trace, guard = self._callers.trace(live, key), guard_of(self._callers.limiter(live, key), key)
        choices = found.choices(live.table.environment, place.protocol)
        plain = place.version is None and not found.route.sticky
        return Way(place, PROTOCOLS[place.protocol], live, found, key, trace, guard, choices, plain)

    def _identify(self, request: Request, live: LiveTable, authorization: str | None) -> Key | None:
        try:
            return keys.identify(live, authorization, self._clock())
        except Problem as problem:
            self._strangers.note(live.table.environment, str(problem), request)
            raise

    def _allowed(self, place: Place, live: LiveTable, key: Key | None) -> Reply | LiveRoute:
        """Return the route of a prediction that the key is for, or the reply to a question; raises Problem."""
        self._callers.trace(live, key).fresh = True
        if place.verb == "models":
            names = [name for name in live.routes if keys.may_use(key, name)]
            return PROTOCOLS[place.protocol].models(live, names)
        found = questions.model(place, live, key)
        return questions.describe(place, live, found) if place.method == "GET" else found

    async def _stream(self, request: Request, place: Place, live: LiveTable, key: Key | None) -> Reply:
        """Add to a stream or read from it, within the limits of the key."""
        questions.model(place, live, key)
        if self._streams is None:
            raise Problem(404, "This gateway has no streams.")
        _check_form(request, JSON_ONLY)
        if request.coding:
            raise Problem(415, "Records must be sent as they are, not compressed.")
        self._callers.trace(live, key).fresh = True
        guard = guard_of(self._callers.limiter(live, key), key)
        if guard is None:
            return await self._streams(request, place, live)
        guard.enter(request.began)
        try:
            reply = await self._streams(request, place, live)
        finally:
            guard.leave()
        reply.own += guard.headers(request.headers.get("origin"))
        return reply

    def _keep(self, path: str, authorization: str | None, way: Way) -> None:
        """Only what was found is kept, so that strangers cannot fill it; a flood of good keys starts it afresh."""
        if len(self._ways) >= MOST_WAYS:
            self._ways.clear()
        self._ways[path, authorization] = way

    def _request_id(self, request: Request) -> str:
        given = request.headers.get(REQUEST_ID)
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


def _check_method(method: str, wanted: str) -> None:
    if method != wanted and not (method == "HEAD" and wanted == "GET"):
        raise Problem(405, f"This address takes {wanted} only.", [("allow", _allow(wanted))])


def _allow(method: str) -> str:
    return "GET, HEAD, OPTIONS" if method == "GET" else f"OPTIONS, {method}"


def _options(request: Request, place: Place, world: World, now: float) -> Reply:
    live = world.tables.get(place.environment or world.default or "")
    return Reply(204, b"", [("allow", _allow(place.method)), *cors.preflight(live, place.method, request.headers, now)])


def _check_form(request: Request, forms: frozenset[str]) -> None:
    """A missing content type is taken for JSON, a wrong one is refused, and so is a coding that is not known."""
    form = request.headers.get("content-type") or "application/json"
    if form not in forms and form.partition(";")[0].strip().lower() not in forms:
        raise Problem(415, f"The body must be sent with Content-Type: {' or '.join(sorted(forms))}.")
    if form not in forms and (charset := CHARSET.search(form)) and charset[1].lower() not in ("utf-8", "utf8"):
        raise Problem(415, "The body must be UTF-8, whatever the content type says.")
    if (coding := request.headers.get("content-encoding")) is not None:
        request.coding = unpacking.coding(coding)


def _pin(request: Request, place: Place, key: Key | None) -> str | None:
    """Return the package that the request names, in its address or its header; raises Problem 403 without the right."""
    pin = place.version if place.version is not None else request.headers.get("x-package")
    if pin is None:
        return None
    if not keys.may_pin(key):
        raise Problem(403, "This API key may not choose the package.")
    # An empty one is most likely a variable that was not set: no package has that name.
    return pin.strip()
