"""What the gateway serves at one moment: immutable, and replaced by a single assignment."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from serving.gateway.messages import Lines
from serving.gateway.pool import Package
from serving.metrics.series import Line
from serving.routing import Key, Route, RouteTable, Target


@dataclass(frozen=True, slots=True)
class Choice:
    """A target that was picked, with all that its requests share: the package, where they are counted, the headers.

    `kept`: whether requests are held on to with their answers after the reply, for capture or a shadow.
    """

    target: Target
    package: Package
    line: Line
    headers: Lines
    kept: bool = False


@dataclass(frozen=True)
class LiveRoute:
    """A route, its loaded packages by digest, and the generation that it comes from.

    `lost`: a package that takes traffic could not be loaded, and there is nothing older to go on with.
    """

    route: Route
    packages: dict[str, Package]
    generation: int
    lost: bool = False
    _choices: dict[tuple[str, str, str, str], Choice] = field(default_factory=dict, compare=False, repr=False)

    def choice(self, environment: str, target: Target, arm: str, protocol: str) -> Choice:
        """Return the choice of a target under an arm; made once, because every request needs one."""
        name = (environment, target.digest, arm, protocol)
        found = self._choices.get(name)
        if found is None:
            key = (self.route.model, self.generation, arm, target.digest, "rest", protocol)
            line = Line(environment, key, number=target.package)
            headers = Lines(("x-package", str(target.package)), ("x-package-digest", target.digest))
            kept = self.route.capture is not None or bool(self.route.shadows)
            found = self._choices[name] = Choice(target, self.packages[target.digest], line, headers, kept)
        return found

    def choices(self, environment: str, protocol: str) -> tuple[tuple[float, Choice], ...]:
        """Return the choices that chance has, by the upper edges of their shares; none while it is off or lost."""
        shares = () if self.lost else self.route.shares
        return tuple((edge, self.choice(environment, *picked, protocol)) for edge, picked in shares)

    @cached_property
    def named(self) -> dict[str, Target]:
        """The targets by what a pin may call them: the number or the digest."""
        return {name: target for target in self.route.targets for name in (str(target.package), target.digest)}


@dataclass(frozen=True)
class LiveTable:
    """A table as it was published, the routes as they are served, and the newest generation served whole (0: none)."""

    table: RouteTable
    routes: dict[str, LiveRoute]
    adopted: int

    def targets(self) -> Iterator[Target]:
        """Every target that is loaded."""
        return (target for live in self.routes.values() for target in live.route.targets)

    @cached_property
    def keys(self) -> dict[str, Key]:
        return {key.hash: key for key in self.table.keys}

    @cached_property
    def origins(self) -> dict[str, float]:
        """Until when (epoch) a page of each origin may call, by the keys that allow it."""
        found: dict[str, float] = {}
        for key in self.table.keys:
            for origin in key.origins:
                found[origin] = max(found.get(origin, 0.0), math.inf if key.expires is None else key.expires)
        return found


@dataclass(frozen=True)
class World:
    """All tables by environment. `order` lists every environment that exists, `served` those of this gateway.

    `waiting` are the environments that have, or may have, a published table of which nothing is live here yet.
    `cut_off` is since when (epoch) Redis is away, so that neither new tables nor revoked keys are known.
    """

    tables: dict[str, LiveTable] = field(default_factory=dict)
    order: tuple[str, ...] = ()
    served: tuple[str, ...] = ()
    ready: bool = False
    waiting: frozenset[str] = frozenset()
    cut_off: float | None = None

    @cached_property
    def default(self) -> str | None:
        """The environment of an address without one: the last in the order."""
        if self.order:
            return self.order[-1]
        return self.served[0] if len(self.served) == 1 else None

    def with_table(self, live: LiveTable) -> World:
        return replace(self, tables={**self.tables, live.table.environment: live})


class Live:
    """The one place that holds the world; requests read `world` once and keep what they read."""

    def __init__(self) -> None:
        self.world = World()

    def published(self, environment: str, model: str) -> Route | None:
        """Return the route as it was published last: one that goes on as before must not be kept from as before."""
        live = self.world.tables.get(environment)
        return live.table.routes.get(model) if live else None
