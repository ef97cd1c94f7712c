"""Engines that are shared, kept warm, and never too many: one pool for each provider.

A call takes a :class:`Lease` on the engine that it needs. The first one starts it; further ones wait for that start.
When there are as many engines as may be, the one used longest ago leaves, but none that a call still reads from: then
whoever needs a place waits, and so that the wait ends, those who come later queue behind.
"""

from __future__ import annotations

import collections
import copy
import os
import threading
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import attrs

from airouter_core.errors import ConfigurationError, ExecutionError, OverloadedError

from ..programs.background import in_background
from ..settings import EngineSettings
from .progress import Progress

IN_USE = 1.0
"""Seconds until the next look at engines that are all in use."""


class Engine(Protocol):
    """A loaded model that answers over HTTP."""

    settings: EngineSettings
    address: str
    api_key: str

    @property
    def alive(self) -> bool: ...

    def stop(self) -> None:
        """Unload the model; wait until it has gone."""
        ...

    def forget(self) -> None:
        """Leave it alone: after a fork it is the parent's."""
        ...


EngineT = TypeVar("EngineT", bound=Engine)


@attrs.define(eq=False)
class _Slot(Generic[EngineT]):
    """An engine, or its being started, and how many calls use it."""

    ready: threading.Event = attrs.field(factory=threading.Event)
    engine: EngineT | None = None
    error: BaseException | None = None
    users: int = 0
    unused_since: float = 0.0
    keep_alive: float = 0.0

    @property
    def ends_at(self) -> float | None:
        """When an unused engine leaves; ``None`` while it is used, or if it stays for good."""
        if self.users or self.engine is None or self.keep_alive < 0:
            return None
        return self.unused_since + self.keep_alive


class EnginePool(Generic[EngineT]):
    """Engines by their settings.

    Args:
        start: starts one, and raises if it cannot.
        shortage: why there is no memory for one, or ``None``; unused engines leave until there is.
        limit: how many there may be; ``more`` says what to do for more of them.
        keep_alive: seconds that an unused engine stays; negative for good.
        patience: seconds that a call waits for a place.
    """

    def __init__(
        self,
        start: Callable[[EngineSettings, Progress | None], EngineT],
        shortage: Callable[[EngineSettings], str | None],
        *,
        limit: int,
        more: str,
        keep_alive: float,
        patience: float,
    ) -> None:
        self._start = start
        self._shortage = shortage
        self._limit = limit
        self._more = more
        self._keep_alive = keep_alive
        self._patience = patience
        self._closed = False
        self._forgotten: list[EngineT] = []
        self._reset()

    def lease(
        self, settings: EngineSettings, keep_alive: float | None = None, progress: Progress | None = None
    ) -> Lease[EngineT]:
        """A claim on an engine with these settings. Nothing happens until :meth:`Lease.engine`."""
        self._begin_anew_after_a_fork()
        return Lease(self, settings, self._keep_alive if keep_alive is None else keep_alive, progress)

    def running(self) -> list[EngineT]:
        """The engines that are loaded now, the one used longest ago first."""
        return [slot.engine for slot in list(self._slots.values()) if slot.engine is not None]

    def close(self) -> None:
        """Stop all engines; calls that still run fail."""
        self._begin_anew_after_a_fork()
        with self._changed:
            self._closed = True
            engines = self.running()
            self._slots.clear()
            self._bell.set()
            self._changed.notify_all()
        for engine in engines:
            engine.stop()

    def stop(self, settings_fit: Callable[[EngineSettings], bool]) -> int:
        """Stop those that fit, if no call uses them; how many that were."""
        self._begin_anew_after_a_fork()
        with self._changed:
            fitting = [settings for settings in self._slots if settings_fit(settings)]
            engines = [engine for settings in fitting if (engine := self._taken_out(settings)) is not None]
            self._changed.notify_all()
        for engine in engines:
            engine.stop()
        return len(engines)

    def _begin_anew_after_a_fork(self) -> None:
        # The lock as well: a thread of the parent's may have held it at that moment, and is not here to let it go.
        if self._process != os.getpid():
            self._forgotten += self.running()  # kept, since taking them apart would stop the parent's
            for engine in self._forgotten:
                engine.forget()
            self._reset()

    def _reset(self) -> None:
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._slots: collections.OrderedDict[EngineSettings, _Slot[EngineT]] = collections.OrderedDict()
        self._queue: collections.deque[Lease[EngineT]] = collections.deque()
        self._is_kept = False
        self._looks_at = 0.0
        self._bell = threading.Event()

    def obtain(self, lease: Lease[EngineT]) -> EngineT:
        """For :class:`Lease` only."""
        slot, starts_it, leaving = self._place(lease)
        if starts_it:
            self._fill(slot, lease, leaving)
        slot.ready.wait()
        if slot.engine is None:
            lease.release()
            if slot.error is None:
                raise ConfigurationError("this llama-cpp provider was closed; create another one")
            # Each waiting call raises its own: an exception carries what only one call has met.
            raise slot.error if starts_it else copy.copy(slot.error)
        if lease.released:  # the caller left while this was waiting
            raise ExecutionError("the call was given up while its model was being loaded")
        return slot.engine

    def give_back(self, slot: _Slot[EngineT], keep_alive: float) -> None:
        """For :class:`Lease` only."""
        self._begin_anew_after_a_fork()
        if any(slot.engine is engine for engine in self._forgotten):
            return
        with self._changed:
            slot.users -= 1
            slot.unused_since = time.monotonic()
            slot.keep_alive = keep_alive
            orphan = slot.engine if slot.users == 0 and slot not in self._slots.values() else None
            ends_at = slot.ends_at
            if orphan is None and ends_at is not None and not self._closed:
                self._keep(ends_at)
            self._changed.notify_all()
        if orphan is not None:
            in_background(orphan.stop)

    def _place(self, lease: Lease[EngineT]) -> tuple[_Slot[EngineT], bool, list[EngineT]]:
        """Wait for the turn, and take a slot: the one that is there, or a new one in a free place."""
        end = time.monotonic() + self._patience
        leaving: list[EngineT] = []
        with self._changed:
            self._queue.append(lease)
            try:
                while True:
                    if self._closed:
                        raise ConfigurationError("this llama-cpp provider was closed; create another one")
                    if lease.released:
                        raise ExecutionError("the call was given up while it waited for a model")
                    if self._queue[0] is lease and (taken := self._taken(lease, leaving)) is not None:
                        slot, starts_it = taken
                        slot.users += 1
                        lease.slot = slot
                        self._slots.move_to_end(lease.settings)
                        return slot, starts_it, leaving
                    if not self._changed.wait(max(0.0, end - time.monotonic())) and time.monotonic() >= end:
                        raise OverloadedError(
                            f"all {self._limit} models that may be loaded were in use for {self._patience:g} s; "
                            f"{self._more}, or close streams that are not read to their end"
                        )
            finally:
                self._queue.remove(lease)
                self._changed.notify_all()

    def _taken(self, lease: Lease[EngineT], leaving: list[EngineT]) -> tuple[_Slot[EngineT], bool] | None:
        slot = self._slots.get(lease.settings)
        if slot is not None and slot.engine is not None and not slot.engine.alive:
            del self._slots[lease.settings]  # it died; whoever uses it still will notice
            leaving.append(slot.engine)
            slot = None
        if slot is not None:
            return slot, False
        while len(self._slots) >= self._limit:
            victim = self._oldest_unused()
            if victim is None:
                return None
            leaving.append(victim)
        slot = self._slots[lease.settings] = _Slot()
        return slot, True

    def _fill(self, slot: _Slot[EngineT], lease: Lease[EngineT], leaving: list[EngineT]) -> None:
        settings = lease.settings
        try:
            for engine in leaving:
                engine.stop()
            while (problem := self._shortage(settings)) is not None:
                with self._changed:
                    victim = self._oldest_unused()
                if victim is None:
                    raise ConfigurationError(problem)
                victim.stop()
            engine = self._start(settings, lease.progress)
        except BaseException as error:
            slot.error = error
            with self._changed:
                if self._slots.get(settings) is slot:
                    del self._slots[settings]
                self._changed.notify_all()
            slot.ready.set()
            return
        with self._changed:
            closed = self._closed
            if not closed:
                slot.engine = engine
                slot.unused_since = time.monotonic()
                if (ends_at := slot.ends_at) is not None:  # all who wanted it have left while it was being loaded
                    self._keep(ends_at)
                self._changed.notify_all()
        slot.ready.set()
        if closed:
            engine.stop()

    def _oldest_unused(self) -> EngineT | None:
        for settings in list(self._slots):
            if (engine := self._taken_out(settings)) is not None:
                return engine
        return None

    def _taken_out(self, settings: EngineSettings) -> EngineT | None:
        slot = self._slots[settings]
        if slot.users or slot.engine is None:
            return None
        del self._slots[settings]
        return slot.engine

    def _keep(self, until: float) -> None:
        """See to it that somebody looks after unused engines at this time, or before."""
        if not self._is_kept:
            self._is_kept = True
            in_background(self._let_unused_go)
        elif until < self._looks_at:
            self._bell.set()

    def _let_unused_go(self) -> None:
        # It is not woken by every call that ends, which would cost each of them more than the call itself.
        while True:
            with self._changed:
                self._bell.clear()
                now = time.monotonic()
                ended = [
                    settings
                    for settings, slot in self._slots.items()
                    if slot.ends_at is not None and slot.ends_at <= now
                ]
                engines = [engine for settings in ended if (engine := self._taken_out(settings)) is not None]
                if engines:
                    self._changed.notify_all()
                ends = [slot.ends_at for slot in self._slots.values() if slot.ends_at is not None]
                self._looks_at = min(ends, default=now + IN_USE)
                if self._closed or not self._slots:
                    self._is_kept = False
            for engine in engines:
                engine.stop()
            if not self._is_kept:
                return
            self._bell.wait(max(0.0, self._looks_at - time.monotonic()))


class Lease(Generic[EngineT]):
    """One call's claim on an engine, from before it is there until it is given back."""

    def __init__(
        self, pool: EnginePool[EngineT], settings: EngineSettings, keep_alive: float, progress: Progress | None
    ) -> None:
        self._pool = pool
        self._keep_alive = keep_alive
        self._lock = threading.Lock()
        self._given_back = False
        self.settings = settings
        self.progress = progress
        self.released = False
        self.slot: _Slot[EngineT] | None = None

    def engine(self) -> EngineT:
        """The engine, started if need be. May wait, for the start and for a place.

        Raises:
            ConfigurationError: it cannot be started here, or the provider was closed.
            ExecutionError: it could not be started, or no place came free.
        """
        try:
            return self._pool.obtain(self)
        finally:
            if self.released:
                self.release()

    @property
    def held(self) -> EngineT | None:
        """The engine, once it is there; also after it was given back."""
        return None if self.slot is None else self.slot.engine

    def release(self) -> None:
        """Say that the call is over. Does not wait; a second time does nothing."""
        self.released = True
        with self._lock:
            slot = self.slot
            if slot is None or self._given_back:
                return
            self._given_back = True
        self._pool.give_back(slot, self._keep_alive)
