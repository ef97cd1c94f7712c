"""Who is left alone for a while, for what, and how long. Learned from what came of attempts, and of nothing else."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from airouter_core.values.value import Value

from .routes import Target

COOLDOWN = 30.0
"""Seconds that a target is left alone after a failure that may pass."""
LONG_COOLDOWN = 300.0
"""Seconds after one that does not pass by itself: a dead key, a model that is gone."""
PASSING = frozenset({"transient", "rate_limit"})
OF_ACCOUNT = frozenset({"credential", "quota"})
"""What befalls a key, and so all models that are asked with it."""
OF_TARGET = PASSING | {"model_gone", "model_access"}
EVERY_MODEL = "*"


class Bench(Value, frozen=True):
    """A target, or with the model ``*`` an account, that is left alone ``until`` then, on the router's clock."""

    target: str
    failure: str
    until: float

    @property
    def passes(self) -> bool:
        """Whether it passes by itself."""
        return self.failure in PASSING


Key = tuple[str, str]
"""A provider, and one of its models or :data:`EVERY_MODEL`."""


class Health:
    """Shared by all calls of a router. What the caller has done wrong cools nothing.

    Attributes:
        untold: what other processes are to be told: who is benched, and with ``None`` who is well again. Filled only
            while ``is_shared``.
    """

    def __init__(self) -> None:
        self._benched: dict[Key, Bench] = {}
        self._heard: dict[Key, Bench] = {}
        self._lock = threading.Lock()
        self.is_shared = False
        self.untold: dict[Key, Bench | None] = {}

    def failed(
        self, target: Target, failure: str, now: float, *, retry_after: float | None, cooldown: float | None
    ) -> None:
        """Take note of how an attempt failed."""
        if failure in OF_ACCOUNT:
            key = target.provider, EVERY_MODEL
        elif failure in OF_TARGET:
            key = target.provider, target.model
        else:
            return
        usual = COOLDOWN if failure in PASSING else LONG_COOLDOWN
        seconds = max(retry_after or 0.0, usual if cooldown is None else cooldown)
        bench = Bench("/".join(key), failure, now + seconds)
        with self._lock:
            known = self._benched.get(key)
            if known is None or known.until < bench.until:
                self._benched[key] = bench
                if self.is_shared:
                    self.untold[key] = bench

    def succeeded(self, target: Target) -> None:
        """Whoever answers is well again, and so is its key."""
        if self._benched or self._heard:
            with self._lock:
                for key in _keys(target):
                    known = self._benched.pop(key, None) or self._heard.pop(key, None)
                    if known is not None and self.is_shared:
                        self.untold[key] = None

    def bench(self, target: Target, now: float) -> Bench | None:
        """Why and until when a target is to be left alone, if it is."""
        if not self._benched and not self._heard:
            return None
        found: Bench | None = None
        for key in _keys(target):
            for benches in (self._benched, self._heard):
                bench = benches.get(key)
                if bench is not None and bench.until > now and (found is None or bench.until > found.until):
                    found = bench
        return found

    def all(self, now: float) -> Mapping[str, Bench]:
        """Everybody who is left alone now, by address."""
        with self._lock:
            self._benched = {key: bench for key, bench in self._benched.items() if bench.until > now}
            found = {bench.target: bench for bench in self._heard.values() if bench.until > now}
            for bench in self._benched.values():
                if bench.target not in found or found[bench.target].until < bench.until:
                    found[bench.target] = bench
            return found

    def take_untold(self) -> Mapping[Key, Bench | None]:
        """What others are to be told; they count as told then."""
        with self._lock:
            untold, self.untold = self.untold, {}
            return untold

    def hear(self, benches: Mapping[Key, Bench]) -> None:
        """Take what other processes know in place of what they knew before."""
        with self._lock:
            self._heard = {key: bench for key, bench in benches.items() if key not in self.untold}


def _keys(target: Target) -> tuple[Key, Key]:
    return (target.provider, EVERY_MODEL), (target.provider, target.model)
