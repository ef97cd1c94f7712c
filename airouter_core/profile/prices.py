"""What a call costs where its provider does not say: the user's own prices, then a dated table, else unknown.

The table is that of the ``genai-prices`` library (extra ``[prices]``), which says what each model cost at which time,
tiers of long prompts included. It is asked by the names that a provider goes by, so that nothing here names one. An
unknown price is ``None`` and never 0: what is not known must not look free.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

import msgspec

from ..errors import ConfigurationError
from ..values.catalog import Pricing
from ..values.usage import Cost, Usage
from .price_table import cost_in_table

TABLE = "prices"
"""The table of ``airouter.toml`` with the user's own prices."""
INSTALL = "pip install 'airouter-core[prices]'"
MILLION = Decimal(1_000_000)
OWN_FIELDS = {
    "input": "prompt",
    "output": "completion",
    "cache_read": "cache_read",
    "cache_write": "cache_write",
    "reasoning": "reasoning",
    "request": "request",
}
"""The words of ``[prices]`` and the fields of :class:`~airouter_core.values.catalog.Pricing` that they fill."""
FREE = Pricing(prompt=Decimal(0), completion=Decimal(0), request=Decimal(0))


class Names(Protocol):
    """The names that a provider goes by; :class:`~airouter_core.profile.declarations.ProviderInfo` has them."""

    @property
    def name(self) -> str: ...
    @property
    def aliases(self) -> tuple[str, ...]: ...
    @property
    def kind(self) -> str: ...


class Prices:
    """Looks up what calls cost.

    Args:
        own: the user's prices by address, in US dollars per token. They count before every table.
    """

    def __init__(self, own: Mapping[str, Pricing] | None = None) -> None:
        self._own = dict(own or {})

    @classmethod
    def of_settings(cls, table: Mapping[str, Any]) -> Prices:
        """The prices of a ``[prices]`` table: ``"PROVIDER/MODEL" = { input = 3, output = 15 }``, dollars per million.

        Raises:
            ConfigurationError: an entry is no table of known words and numbers of at least 0.
        """
        return cls({address: _own_price(address, entry) for address, entry in table.items()})

    def cost(self, provider: Names, model: str, usage: Usage, listed: Pricing | None = None) -> Cost | None:
        """What a call cost.

        Args:
            listed: what the provider's own list of models says of this one.

        Returns:
            ``None`` where the price, or the number of tokens, is unknown.
        """
        if usage.input_tokens is None or usage.output_tokens is None:
            return None
        if (known := self._stated(provider, model, listed)) is not None:
            amount = _amount(known[0], usage)
            return None if amount is None else Cost(amount, known[1])
        return cost_in_table((provider.name, *provider.aliases), model, usage, _amount)

    def most(
        self, provider: Names, model: str, input_tokens: int, output_tokens: int, listed: Pricing | None = None
    ) -> Cost | None:
        """The most that a call of so many tokens can cost: nothing of it read from a cache, all of it written to one.

        Returns:
            ``None`` where the price is unknown.
        """
        plain = Usage(input_tokens, output_tokens)
        written = Usage(input_tokens, output_tokens, cache_write_tokens=input_tokens)
        costs = [self.cost(provider, model, plain, listed), self.cost(provider, model, written, listed)]
        return max((cost for cost in costs if cost is not None), key=lambda cost: cost.amount, default=None)

    def _stated(self, provider: Names, model: str, listed: Pricing | None) -> tuple[Pricing, str] | None:
        for name in (provider.name, *provider.aliases):
            if (own := self._own.get(f"{name}/{model}")) is not None:
                return own, f"[{TABLE}]"
        if listed is not None and listed.prompt is not None and listed.completion is not None:
            return listed, "the provider's list of models"
        # Whoever runs a model on a machine of one's own sends no bill.
        return (FREE, "local") if provider.kind == "local" else None


def _amount(price: Pricing, usage: Usage) -> Decimal | None:
    if price.prompt is None or price.completion is None:
        return None
    assert usage.input_tokens is not None
    assert usage.output_tokens is not None
    read, written = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    amount = price.prompt * max(usage.input_tokens - read - written, 0)
    # What is not there is not added: this is done for each call, and sums of decimals take their time.
    if read:
        amount += (price.prompt if price.cache_read is None else price.cache_read) * read
    if written:
        amount += (price.prompt if price.cache_write is None else price.cache_write) * written
    thought = usage.reasoning_tokens or 0
    if thought and price.reasoning is not None:
        amount += price.reasoning * thought
    else:
        thought = 0
    amount += price.completion * max(usage.output_tokens - thought, 0)
    return amount + price.request if price.request else amount


def _own_price(address: str, entry: Any) -> Pricing:
    if not isinstance(entry, Mapping) or not entry:
        raise ConfigurationError(
            f'[{TABLE}] "{address}" must be a table such as {{ input = 3, output = 15 }}, in dollars per million tokens'
        )
    if unknown := sorted(set(entry) - set(OWN_FIELDS)):
        raise ConfigurationError(f'[{TABLE}] "{address}" takes {", ".join(OWN_FIELDS)}, not {", ".join(unknown)}')
    amounts = {OWN_FIELDS[name]: _own_amount(address, name, value) for name, value in entry.items()}
    return msgspec.structs.replace(FREE, **amounts)


def _own_amount(address: str, name: str, value: Any) -> Decimal:
    try:
        if isinstance(value, bool):
            raise TypeError
        amount = Decimal(str(value))
        if not amount.is_finite() or amount < 0:
            raise ValueError
    except (InvalidOperation, TypeError, ValueError):
        raise ConfigurationError(
            f'[{TABLE}] "{address}": {name} must be a number of at least 0, not {value!r}'
        ) from None
    return amount if name == "request" else amount / MILLION
