"""Asking the same of somebody whose answer nobody gets, to see how it would do.

It happens after the answer was given, in threads of its own, and touches neither that answer nor what the router knows
of its targets. It is bounded: what comes while enough are under way is not asked. Its calls have the tag ``shadow``,
and nobody's session, user or other tags, so a budget of their own can cover them; ledgers and hooks see them like any
call.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable
from typing import Any

from airouter_core.errors import AirouterError
from airouter_core.provider.facade import Provider
from airouter_core.values.ask import Ask

from .eligibility import Eligibility
from .routes import Shadow
from .situation import Situation

LOGGER = logging.getLogger("airouter.router")
TAG = "shadow"


class Shadows:
    """All shadow calls of a router.

    Args:
        provider: gives the provider of a name.
    """

    def __init__(self, provider: Callable[[str], Provider[Any]]) -> None:
        self._provider = provider
        self._lock = threading.Lock()
        self._places: dict[str, _Place] = {}

    def ask(self, situation: Situation) -> None:
        """Ask the shadow of the route, if it has one and its turn has come. Takes no time and never fails."""
        route, ask = situation.route, situation.ask
        shadow = route.shadow
        if shadow is None or (shadow.share < 1 and situation.knowledge.chance() >= shadow.share):
            return
        place = self._places.get(route.name)
        if place is None or place.process != os.getpid():
            with self._lock:
                place = self._places[route.name] = _Place(shadow.in_flight)
        asked = ask.asked_as(
            model=shadow.target.model, tags={TAG: route.name}, session=None, user=None, provider_options={},
            stream=False, deadline=route.deadline,
        )  # fmt: skip
        place.put(lambda: self._call(asked, shadow, situation))

    def close(self) -> None:
        """Forget what was not begun."""
        for place in self._places.values():
            place.close()

    def _call(self, asked: Ask, shadow: Shadow, situation: Situation) -> None:
        knowledge, target = situation.knowledge, shadow.target
        seen = Situation(asked, situation.route, knowledge)
        reason = Eligibility(seen).refusal(target)
        if reason is None and (bench := knowledge.health.bench(target, knowledge.clock())) is not None:
            reason = f"it rests after {bench.failure}"
        if reason is not None:
            LOGGER.debug("shadow %s of route %s was not asked: %s", target, situation.route.name, reason)
            return
        provider = self._provider(target.provider)
        try:
            provider.run(provider.flow_of(asked))
        except AirouterError as error:
            LOGGER.debug("shadow %s of route %s: %s", target, situation.route.name, type(error).__name__)


class _Place:
    """Threads for the shadow of one route: as many as may be under way, made when they are needed."""

    def __init__(self, most: int) -> None:
        self.process = os.getpid()
        self._most = most
        self._waiting: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._free = threading.Semaphore(most)
        self._threads = 0

    def put(self, call: Callable[[], None]) -> None:
        if not self._free.acquire(blocking=False):
            return
        if self._threads < self._most:
            self._threads += 1
            threading.Thread(target=self._work, name="airouter-shadow", daemon=True).start()
        self._waiting.put(call)

    def close(self) -> None:
        for _ in range(self._threads):
            self._waiting.put(None)

    def _work(self) -> None:
        while (call := self._waiting.get()) is not None:
            try:
                call()
            except Exception as error:  # nobody may ever notice that there is a shadow
                LOGGER.warning("a shadow call failed: %s", type(error).__name__)
            finally:
                self._free.release()
