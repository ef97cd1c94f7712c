"""The provider whose models are routes."""

from __future__ import annotations

import contextlib
import datetime
import difflib
import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from airouter_core.errors import ConfigurationError, ModelNotFoundError
from airouter_core.flow.steps import Flow, given
from airouter_core.plugins.factory import config_class, create_provider
from airouter_core.plugins.registry import Plugins, installed
from airouter_core.profile.declarations import ProviderInfo
from airouter_core.profile.prices import Prices
from airouter_core.provider.facade import Provider
from airouter_core.provider.preparation import Prepared
from airouter_core.values.ask import Ask
from airouter_core.values.catalog import ModelInfo
from airouter_core.values.request import Request

from .calls import Call
from .config import RouterConfig
from .explaining import Plan, planned
from .health import Bench
from .reading import limits_of, routes_of, unknown_provider
from .routes import Route, Target, targets_of
from .shadows import Shadows
from .situation import Knowledge, Situation
from .state import State, state_of
from .strategies import made_ready

ROUTED = frozenset({"chat", "embedding", "rerank"})
NOTHING_TO_SEND = Prepared(None, {})


def _this_hour() -> int:
    return datetime.datetime.now().astimezone().hour


class RouterProvider(Provider[RouterConfig]):
    """Routes, as models of one provider.

    Args:
        clock, chance, hour, wall: seconds, a number from 0 to below 1, the hour of the day, seconds since 1970; given
            by tests.
        given: providers that are there already, by name; the others are made of the configuration, by their first use.
    """

    def __init__(
        self,
        config: RouterConfig,
        info: ProviderInfo,
        plugins: Plugins | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
        hour: Callable[[], int] = _this_hour,
        wall: Callable[[], float] = time.time,
        given: Mapping[str, Provider[Any]] | None = None,
    ) -> None:
        super().__init__(config, info, plugins)
        self._registry = plugins if isinstance(plugins, Plugins) else installed()
        self._made: dict[str, Provider[Any]] = dict(given or {})
        self._lock = threading.Lock()
        self._tables = {name: self._table(name, table) for name, table in config.providers.items()}
        infos = {name: self._registry.provider(canonical) for name, (canonical, _) in self._tables.items()}
        infos |= {name: provider.info for name, provider in self._made.items()}
        settings = {address: limits_of(address, table) for address, table in config.targets.items()}
        self.routes: Mapping[str, Route] = routes_of(config.routes, settings)
        shadows = [route.shadow.target for route in self.routes.values() if route.shadow is not None]
        for target in (*(target for route in self.routes.values() for target in targets_of(route.tree)), *shadows):
            if target.provider not in infos:
                infos[target.provider] = self._installed(target, infos)
        self.knowledge = Knowledge(
            infos,
            settings,
            Prices.of_settings(config.prices),
            clock=clock,
            chance=chance,
            hour=hour,
            wall=wall,
            notes=self._registry.shared_notes,
        )
        self._shadows = Shadows(self.target_provider)
        for route in self.routes.values():
            made_ready(route.tree, self.knowledge)

    # What Provider asks for.

    def models_flow(self) -> Flow[list[ModelInfo]]:
        return given([self._as_model(route) for route in self.routes.values()])

    def prepare(self, ask: Ask) -> Prepared:
        if ask.kind in ROUTED and (ask.model or "") not in self.routes:
            self._route(ask)
        return NOTHING_TO_SEND

    def reply(self, ask: Ask, request: Request | None) -> Flow[Any]:
        if ask.kind not in ROUTED:
            return super().reply(ask, request)
        situation = Situation(ask, self._route(ask), self.knowledge)
        flow = Call(situation, self.target_provider, self.deadline_of(ask)).flow()
        return flow if situation.route.shadow is None else self._shadowed(flow, situation)

    def _shadowed(self, flow: Flow[Any], situation: Situation) -> Flow[Any]:
        value = yield from flow
        self._shadows.ask(situation)
        return value

    def deadline_of(self, ask: Ask) -> float | None:
        route = self.routes.get(ask.model or "")
        if route is None or route.deadline is None:
            return ask.deadline
        return route.deadline if ask.deadline is None else min(ask.deadline, route.deadline)

    def details(self) -> Mapping[str, Any]:
        return {"resting": {bench.target: bench.failure for bench in self.resting().values()}}

    def close(self) -> None:
        """Close all providers behind the routes."""
        self._shadows.close()
        with contextlib.ExitStack() as stack:
            for provider in self._emptied():
                stack.callback(provider.close)

    async def aclose(self) -> None:
        """:meth:`close`, awaited."""
        self._shadows.close()
        async with contextlib.AsyncExitStack() as stack:
            for provider in self._emptied():
                stack.push_async_callback(provider.aclose)

    # What is the router's own.

    def plan(self, ask: Ask) -> Plan:
        """Who would be asked now, in which order, at which cost, and who not, and why. Nobody is asked.

        Raises:
            ModelNotFoundError: there is no such route.
        """
        return planned(Situation(ask, self._route(ask), self.knowledge), self._unusable)

    def resting(self) -> Mapping[str, Bench]:
        """The targets and accounts that are left alone now, by address."""
        return self.knowledge.health.all(self.knowledge.clock())

    def state(self) -> State:
        """How each target is doing: who rests and why, how busy it is, what is known of its limits.

        With a place that processes share it is told of all of them. Reading that may block.
        """
        self.knowledge.share()
        return state_of(self.routes.values(), self.knowledge)

    def target_provider(self, name: str) -> Provider[Any]:
        """One of the providers behind the routes."""
        provider = self._made.get(name)
        if provider is not None:
            return provider
        with self._lock:
            if name not in self._made:
                canonical, table = self._tables[name]
                made = create_provider(canonical, table, plugins=self._registry)
                made.kept_as = name
                self._made[name] = made
            return self._made[name]

    def _unusable(self, name: str) -> str | None:
        """Why one of the providers cannot be asked, if it cannot; nobody is asked."""
        try:
            self.target_provider(name).require_credentials()
        except ConfigurationError as error:
            return str(error)
        return None

    def _table(self, name: str, table: Any) -> tuple[str, dict[str, Any]]:
        if not isinstance(table, Mapping):
            raise ConfigurationError(f"providers: {name!r} is a table of settings, not {type(table).__name__}")
        settings = dict(table)
        canonical = settings.pop("provider", name)
        info = self._registry.provider(canonical)
        if self.info.name == info.name:
            raise ConfigurationError(f"providers: {name!r} is a router itself; name its routes as route:NAME")
        # One owner of retries: the route. A target that retried in its turn would multiply them.
        if "max_retries" in attrs.fields_dict(config_class(info)):
            settings["max_retries"] = 0
        return info.name, settings

    def _installed(self, target: Target, known: Mapping[str, ProviderInfo]) -> ProviderInfo:
        """A provider that nobody has set up is made of the environment, as everywhere."""
        info = self._registry.find(target.provider)
        if info is None or info.name == self.info.name:
            raise unknown_provider(target, known, [info.name for info in self._registry.providers()])
        self._tables[target.provider] = self._table(target.provider, {"provider": info.name})
        return info

    def _route(self, ask: Ask) -> Route:
        route = self.routes.get(ask.model or "")
        if route is None:
            near = difflib.get_close_matches(ask.model or "", self.routes, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            there = f"there are {', '.join(sorted(self.routes))}" if self.routes else "write [routes.NAME] with targets"
            raise ModelNotFoundError(
                f"there is no route {ask.model!r}; {hint}{there}",
                provider=self.info.name,
            )
        return route

    def _as_model(self, route: Route) -> ModelInfo:
        targets = ", ".join(map(str, dict.fromkeys(targets_of(route.tree))))
        return ModelInfo(
            id=route.name, name=route.name, provider=self.info.name, description=f"{route.tree.strategy}: {targets}"
        )

    def _emptied(self) -> list[Provider[Any]]:
        with self._lock:
            made, self._made = self._made, {}
        return list(made.values())
