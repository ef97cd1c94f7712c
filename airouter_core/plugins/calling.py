"""Asking and telling plugins about calls, one after another; a hook may be a coroutine.

What is here runs off the event loop, in a thread, where somebody awaits: a hook may block, and a coroutine among the
hooks goes to the loop and the rest on from there.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..values.calls import Call, Outcome

NAMES = {
    "admit": "airouter_admit_call",
    "started": "airouter_call_started",
    "answer": "airouter_answer_call",
    "ended": "airouter_call_ended",
}
"""The hook of each thing that a call asks and tells."""


class HookCalls:
    """What a call asks and tells, of the hooks in ``_asked``: for each, its implementations in their order."""

    _asked: Mapping[str, tuple[Any, ...]]

    def hears(self, hook: str) -> bool:
        """Whether anybody listens to ``"admit"``, ``"started"``, ``"answer"`` or ``"ended"``."""
        return bool(self._asked[NAMES[hook]])

    def admit(self, call: Call) -> Any:
        """Ask whether a call may be made: one that raises says no."""
        return _in_turn(self._each("admit", call=call), lambda said: False)

    def answer(self, call: Call) -> Any:
        """Ask whether anybody answers in the provider's place."""
        return _in_turn(self._each("answer", call=call), lambda said: said is not None)

    def started(self, call: Call) -> Any:
        """Tell observers."""
        return _in_turn(self._watched("started", call=call), lambda said: False)

    def ended(self, call: Call, outcome: Outcome) -> Any:
        """Tell observers."""
        return _in_turn(self._watched("ended", call=call, outcome=outcome), lambda said: False)

    def _each(self, hook: str, **details: Any) -> Iterator[Callable[[], Any]]:
        for implementation in self._asked[NAMES[hook]]:
            given = (details[name] for name in implementation.argnames)
            yield functools.partial(implementation.function, *given)

    def _watched(self, hook: str, **details: Any) -> Iterator[Callable[[], Any]]:
        # An observer must not change what it observes, nor keep others from seeing it.
        for implementation, call in zip(self._asked[NAMES[hook]], self._each(hook, **details), strict=True):
            failed = functools.partial(_failed, implementation.plugin_name, NAMES[hook])
            yield functools.partial(_observing, call, failed)


def _in_turn(calls: Iterator[Callable[[], Any]], enough: Callable[[Any], bool]) -> Any:
    """Call one after another until one says enough; something to be awaited, from the first coroutine on."""
    for call in calls:
        said = call()
        if inspect.isawaitable(said):
            return _awaited_in_turn(said, calls, enough)
        if enough(said):
            return said
    return None


async def _awaited_in_turn(first: Any, calls: Iterator[Callable[[], Any]], enough: Callable[[Any], bool]) -> Any:
    import asyncio

    said = await first
    while not enough(said):
        call = next(calls, None)
        if call is None:
            return None
        said = await asyncio.to_thread(call)
        if inspect.isawaitable(said):
            said = await said
    return said


def _observing(call: Callable[[], Any], failed: Callable[[], None]) -> Any:
    try:
        said = call()
    except Exception:
        failed()
        return None
    return _awaited_observing(said, failed) if inspect.isawaitable(said) else None


async def _awaited_observing(said: Any, failed: Callable[[], None]) -> None:
    try:
        await said
    except Exception:
        failed()


def _failed(plugin: str, hook: str) -> None:
    logging.getLogger("airouter.plugins").exception("plugin %r failed in %s", plugin, hook)
