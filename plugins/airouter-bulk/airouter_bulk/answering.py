"""Who makes the calls of a run: its provider here, or whoever else is handed what is asked."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from airouter_core.errors import AirouterError, ExecutionError
from airouter_core.flow.steps import Delegate, Flow
from airouter_core.provider.facade import Provider
from airouter_core.values.ask import Ask
from airouter_core.values.response import Response
from airouter_core.wire.rate_limits import RateLimit, rate_limits

from .journal.records import Call

LOGGER = logging.getLogger("airouter.bulk")

Answering = Callable[[Ask, Call], Awaitable[Response]]
"""Makes a call that is booked; raises errors of ours only."""
Heard = Callable[[Mapping[str, RateLimit]], None]


def by_provider(provider: Provider[Any], heard: Heard | None = None) -> Answering:
    """Calls made here.

    Args:
        heard: is given what each answer says of the limits, also where it refuses.
    """

    async def answer(ask: Ask, call: Call) -> Response:
        flow = provider.flow_of(ask)
        try:
            response: Response = await provider.arun(flow if heard is None else _overheard(flow, heard))
        except AirouterError:
            raise
        except Exception as error:
            LOGGER.exception("%s failed in a way that is not its to fail in", provider.info.name)
            raise ExecutionError(f"{type(error).__name__}: {error}") from error
        return response

    return answer


def _overheard(flow: Flow[Response], heard: Heard) -> Flow[Response]:
    scope = Delegate(flow)
    try:
        response: Response = yield scope
        return response
    finally:
        if scope.head is not None and (limits := rate_limits(scope.head.headers, time.time())):
            heard(limits)
