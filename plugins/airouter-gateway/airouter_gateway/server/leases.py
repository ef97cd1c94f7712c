"""What one request holds of the limits of its key, of the key's team and of the whole server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from airouter_core.errors import AirouterError
from airouter_core.values.usage import Usage
from airouter_ledger.errors import LedgerError

from ..access.counting import LimitReachedError, Room
from ..access.limits import Limits
from ..bounds import Bounds
from ..dialects.refusals import Refusal
from ..keys import ClientKey
from .exchange import Exchange, RefusedError

LOGGER = logging.getLogger("airouter.gateway")


class Lease:
    """A place among the requests that are let through. Where nothing is limited it costs nothing.

    Attributes:
        key: with which it was asked; ``None`` where none is needed.
    """

    def __init__(
        self, key: ClientKey | None, limits: Limits | None = None, bounded: Sequence[tuple[str, Bounds]] = ()
    ) -> None:
        self.key = key
        self._limits = limits
        self._bounded = bounded
        self._begun: str | None = None
        self._span: int | None = None
        self._set_aside = 0
        self._used: int | None = None

    async def begin(self, exchange: Exchange) -> None:
        """Take the place.

        Raises:
            RefusedError: there is none.
        """
        if self._limits is None:
            return
        try:
            room = await self._limits.begin(exchange.id, self._bounded)
        except AirouterError as error:
            raise _refused(error) from error
        self._begun = exchange.id
        _say(exchange, room)

    async def set_aside(self, exchange: Exchange, tokens: int) -> None:
        """Set tokens aside for an answer.

        Raises:
            RefusedError: there is no room for them.
        """
        if self._limits is None or not any(bounds.tpm for _, bounds in self._bounded):
            return
        try:
            self._span, room = await self._limits.set_aside(self._bounded, tokens)
        except AirouterError as error:
            raise _refused(error) from error
        self._set_aside = tokens
        _say(exchange, room)

    def used(self, usage: Usage) -> None:
        """Note what the answer used, as far as it was told."""
        told = [count for count in (usage.input_tokens, usage.output_tokens) if count is not None]
        if told:
            self._used = sum(told)

    async def end(self) -> None:
        """Give the place back, and correct the tokens. Also where whoever asked is gone."""
        if self._limits is None or self._begun is None:
            return
        more = 0 if self._used is None else self._used - self._set_aside
        try:
            await asyncio.shield(self._limits.end(self._begun, self._bounded, self._span, more))
        except LedgerError as error:
            LOGGER.warning("a request was not taken off its limits: %s", error)


def bounded_by(key: ClientKey | None, whole: Bounds) -> list[tuple[str, Bounds]]:
    """All whose limits hold for a key: its own, its team's, the whole server's."""
    chain: list[tuple[str, Bounds]] = [("whole", whole)]
    if key is not None:
        chain.append((f"key:{key.id or key.name}", key))
        if key.of_team is not None:
            chain.append((f"team:{key.of_team.name}", key.of_team))
    return [(subject, bounds) for subject, bounds in chain if bounds.is_limited]


def _refused(error: AirouterError) -> RefusedError:
    if not isinstance(error, LimitReachedError):
        LOGGER.error("limits cannot be counted: %s", error)
        said = "this server cannot count its limits now"
        return RefusedError(Refusal(kind="overloaded", message=said, retry_after=5))
    should_retry = None if error.wait is not None else False
    return RefusedError(
        Refusal(kind="rate_limit", message=str(error), retry_after=error.wait, should_retry=should_retry)
    )


def _say(exchange: Exchange, room: Room | None) -> None:
    if room is None:
        return
    for name, value in (("limit", room.limit), ("remaining", room.left), ("reset", f"{room.reset}s")):
        exchange.say(f"x-ratelimit-{name}-{room.kind}", str(value))
