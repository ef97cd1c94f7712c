"""What a call may cost at most, and what it has cost."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from airouter_core.profile.prices import INSTALL, TABLE, Prices
from airouter_core.provider.facade import Provider
from airouter_core.values.ask import Ask
from airouter_core.values.canonical import NAMES
from airouter_core.values.messages import FilePart
from airouter_core.values.record import plain
from airouter_core.values.response import Response
from airouter_core.values.usage import Cost

from .errors import SpecError
from .money import pico
from .spec import Spec

PICTURE = 50_000
"""Tokens that a picture may be which is named by an address: the most that a vendor counts for one."""


class Tariff:
    """The prices of one run. Making one may take a second, in which a table is loaded.

    Raises:
        SpecError: there is a budget, and the most that a call can cost cannot be told.
    """

    def __init__(self, prices: Prices, provider: Provider[Any], model: str, spec: Spec) -> None:
        self._prices = prices
        self._info = provider.info
        self._model = model
        self._share = Decimal(1)
        self._of_batches = spec.batch_price
        self._bounded = spec.budget is not None
        # Asked in any case: the first look into a table loads it, which the first answer should not wait for.
        most = self._prices.most(self._info, model, 1_000_000, 1_000_000)
        if self._bounded:
            _require(f"{self._info.name}/{model}", most, bounded=_output(spec.parameters) is not None)

    def of_batches(self) -> Tariff:
        """The same for what is handed in as a batch."""
        made = copy.copy(self)
        made._share = self._of_batches
        return made

    def most(self, ask: Ask) -> int:
        """The most that a call can cost, where there is a budget; else 0."""
        if not self._bounded:
            return 0
        # A token is a byte at least. So this is several times too much: it is given back when the call is settled.
        said = {"messages": ask.messages, "schema": ask.response_format, "tools": ask.tools}
        size = len(msgspec.json.encode(said, enc_hook=plain))
        size += sum(
            PICTURE for message in ask.messages for part in message.parts if isinstance(part, FilePart) and part.url
        )
        most = self._prices.most(self._info, self._model, size, _output(ask.parameters) or 0)
        assert most is not None
        return pico(most.amount * self._share)

    def cost(self, response: Response | None) -> tuple[int | None, str | None]:
        """What an answer has cost, and who says so; ``None`` where that is unknown."""
        if response is None:
            return None, None
        if response.cost is not None:  # the vendor says it, and knows of batches
            return pico(response.cost.amount), response.cost.source
        cost = self._prices.cost(self._info, self._model, response.usage)
        if cost is None:
            return None, None
        return pico(cost.amount * self._share), cost.source + (f", batch at {self._share}" if self._share != 1 else "")


def _require(address: str, most: Cost | None, *, bounded: bool) -> None:
    if most is None:
        raise SpecError(
            f"a budget needs the price of {address}, which is not known: {INSTALL}, or write it as "
            f'"{address}" = {{ input = …, output = … }} under [{TABLE}] of the settings file'
        )
    if most.amount and not bounded:
        raise SpecError("a budget needs parameters.max_tokens, so that what a call can cost is known before it")


def _output(parameters: Mapping[str, Any]) -> int | None:
    """Tokens that all answers to one question may have; ``None`` where nothing says so."""
    given = {NAMES.get(name, name): value for name, value in parameters.items()}
    most, several = given.get("max_tokens"), given.get("n") or 1
    return most * (several if isinstance(several, int) else 1) if isinstance(most, int) else None
