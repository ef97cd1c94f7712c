"""Who makes the calls of a run: its provider here, or whoever else is handed what is asked."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from airouter_core.errors import AirouterError, ExecutionError
from airouter_core.provider.facade import Provider
from airouter_core.values.ask import Ask
from airouter_core.values.response import Response

from .journal.records import Call

LOGGER = logging.getLogger("airouter.bulk")

Answering = Callable[[Ask, Call], Awaitable[Response]]
"""Makes a call that is booked; raises errors of ours only."""


def by_provider(provider: Provider[Any]) -> Answering:
    """Calls made here."""

    async def answer(ask: Ask, call: Call) -> Response:
        try:
            response: Response = await provider.arun(provider.flow_of(ask))
        except AirouterError:
            raise
        except Exception as error:
            LOGGER.exception("%s failed in a way that is not its to fail in", provider.info.name)
            raise ExecutionError(f"{type(error).__name__}: {error}") from error
        return response

    return answer
