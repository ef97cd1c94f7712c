"""The dated table of prices, of the ``genai-prices`` library, asked by the names that a provider goes by.

Asking it takes 0.3 ms and more, so what it says of a model is remembered for a minute: prices change at certain times,
some of them by the hour. What is remembered is used only where it comes to the amount that the table itself gives.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from importlib import metadata
from typing import Any

import msgspec

from ..values.catalog import Pricing
from ..values.usage import Cost, Usage

MOST_REMEMBERED = 1000
"""Models whose price, or want of one, is remembered."""
FIELDS = {
    "prompt": "input_mtok",
    "completion": "output_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
}
"""Prices that depend on what a call reports, and what the table calls them."""
MILLION = 1_000_000

Amount = Callable[[Pricing, Usage], Decimal | None]
Prices = list[tuple[int, Pricing]]
"""The prices above so many tokens of input, the highest first."""

_known: dict[tuple[str, str], tuple[int, Prices]] = {}
_unlisted: set[tuple[str, str, int]] = set()


def cost_in_table(names: Iterable[str], model: str, usage: Usage, amount_of: Amount) -> Cost | None:
    """What a call cost by the table; ``None`` where it does not know the model, or is not installed."""
    table = _table()
    if table is None:
        return None
    now = time.monotonic()
    hour, minute = int(now // 3600), int(now // 60)
    for name in names:
        if (name, model, hour) in _unlisted:
            continue
        known = _known.get((name, model))
        if known is not None and known[0] == minute and (price := _at(known[1], usage)) is not None:
            amount = amount_of(price, usage)
            return None if amount is None else Cost(amount, _source(table))
        try:
            found = table.calc_price(_as_asked(table, usage), model_ref=model, provider_id=name)
        except LookupError:  # no such provider, or no such model
            _remember_nothing((name, model, hour))
            continue
        except ValueError:  # usage that it has no price for
            continue
        prices = list(_prices(found.model_price))
        price = _at(prices, usage)
        if price is not None and amount_of(price, usage) == found.total_price:
            if len(_known) >= MOST_REMEMBERED:
                _known.clear()
            _known[name, model] = minute, prices
        return Cost(found.total_price, _source(table))
    return None


def _at(prices: Prices, usage: Usage) -> Pricing | None:
    sent = usage.input_tokens or 0
    for above, price in prices:
        if sent > above:
            return price
    return None


def _prices(found: Any) -> Iterator[tuple[int, Pricing]]:
    """The prices of a model, tier by tier; of a tier whose field has none the one below counts."""
    said = {name: getattr(found, field) for name, field in FIELDS.items()}
    starts = {tier.start for price in said.values() for tier in getattr(price, "tiers", ())}
    for above in sorted({-1, *starts}, reverse=True):
        price = Pricing(**{name: _above(price, above) for name, price in said.items()})
        # What makes no text has no price for it.
        yield (
            above,
            msgspec.structs.replace(
                price, prompt=price.prompt or Decimal(0), completion=price.completion or Decimal(0)
            ),
        )


def _above(price: Any, above: int) -> Decimal | None:
    if price is None:
        return None
    tiers = [tier.price for tier in getattr(price, "tiers", ()) if tier.start <= above]
    dollars: Decimal = tiers[-1] if tiers else getattr(price, "base", price)
    return dollars / MILLION


def _as_asked(table: Any, usage: Usage) -> Any:
    counts = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
    }
    return table.Usage(**{name: count for name, count in counts.items() if count})


def _remember_nothing(key: tuple[str, str, int]) -> None:
    # The table remembers what it has found, and not what it has not.
    if len(_unlisted) >= MOST_REMEMBERED:
        _unlisted.clear()
    _unlisted.add(key)


def _source(table: Any) -> str:
    return f"genai-prices {table.__version__}"


@functools.cache
def _table() -> Any:
    # Half a second of imports, for those alone who have installed it and ask for a price.
    try:
        metadata.distribution("genai-prices")
    except metadata.PackageNotFoundError:
        return None
    import genai_prices

    return genai_prices
