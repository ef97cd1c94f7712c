"""Prices: the user's own first, then what the provider lists, then a dated table; unknown is unknown."""

from __future__ import annotations

from decimal import Decimal

import pytest

from airouter_core.errors import ConfigurationError
from airouter_core.profile.declarations import ProviderInfo
from airouter_core.profile.prices import Prices
from airouter_core.values.catalog import Pricing
from airouter_core.values.usage import Usage

CLOUD = ProviderInfo(name="cloudy", aliases=("anthropic",), target="x:Y")
UNLISTED = ProviderInfo(name="nowhere", target="x:Y")
LOCAL = ProviderInfo(name="here", target="x:Y", kind="local")
USAGE = Usage(1000, 100)


def test_own_prices_count_before_all_others() -> None:
    """Dollars per million tokens, by any name of the provider; the source says that they are the user's."""
    prices = Prices.of_settings({"anthropic/m": {"input": 2, "output": "10.5", "request": 0.5}})
    cost = prices.cost(CLOUD, "m", USAGE, Pricing(prompt=Decimal(9), completion=Decimal(9)))
    assert cost is not None
    assert (cost.amount, cost.source) == (Decimal("0.002") + Decimal("0.00105") + Decimal("0.5"), "[prices]")


def test_parts_have_their_own_prices() -> None:
    """What was read from a cache and what was written to it are not paid twice; without a price they cost as input."""
    listed = Pricing(prompt=Decimal(10), completion=Decimal(1), cache_read=Decimal(1), reasoning=Decimal(3))
    usage = Usage(10, 8, cache_read_tokens=4, cache_write_tokens=2, reasoning_tokens=5)
    cost = Prices().cost(UNLISTED, "m", usage, listed)
    assert cost is not None
    assert cost.amount == 10 * (10 - 4 - 2) + 1 * 4 + 10 * 2 + 1 * (8 - 5) + 3 * 5


def test_the_most_that_a_call_can_cost() -> None:
    """Writing to the cache may be dearer than sending, so a ceiling counts with it."""
    prices = Prices.of_settings({"nowhere/m": {"input": 1_000_000, "output": 0, "cache_write": 1_250_000}})
    cost = prices.most(UNLISTED, "m", 10, 10)
    assert cost is not None
    assert cost.amount == Decimal("12.5")


def test_unknown_is_not_free() -> None:
    """No price and no count are no cost; what runs on one's own machine costs nothing, and says why."""
    assert Prices().cost(UNLISTED, "m", USAGE) is None
    assert Prices().most(UNLISTED, "m", 1, 1) is None
    assert Prices().cost(LOCAL, "m", Usage(None, 3)) is None
    cost = Prices().cost(LOCAL, "m", USAGE)
    assert cost is not None
    assert (cost.amount, cost.source) == (0, "local")


def test_the_dated_table() -> None:
    """The table knows the provider by one of its names; tiers, caches and its version are in the answer."""
    pytest.importorskip("genai_prices", reason="the extra [prices] is not installed")
    cost = Prices().cost(CLOUD, "claude-sonnet-4-5", USAGE)
    assert cost is not None
    assert cost.amount == Decimal("0.0045")
    assert cost.source.startswith("genai-prices 0.")
    most = Prices().most(CLOUD, "claude-sonnet-4-5", 1000, 100)
    assert most is not None
    assert most.amount > cost.amount
    assert Prices().cost(CLOUD, "a-model-nobody-has", USAGE) is None


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (3, "must be a table"),
        ({}, "must be a table"),
        ({"prompt": 3}, "takes input, output"),
        ({"input": -1}, "number of at least 0"),
        ({"input": "much"}, "number of at least 0"),
        ({"input": True}, "number of at least 0"),
        ({"input": float("nan")}, "number of at least 0"),
    ],
)
def test_a_wrong_entry_is_named(entry: object, said: str) -> None:
    """The message names the address and what an entry looks like."""
    with pytest.raises(ConfigurationError, match=said):
        Prices.of_settings({"a/b": entry})


@pytest.mark.parametrize("usage", [Usage(1000, 100), Usage(300_000, 5), Usage(9000, 9, 3000, 2000), Usage(0, 0)])
@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "gpt-4o", "text-embedding-3-small", "sonar-pro"])
def test_what_is_remembered_of_the_table_is_what_it_says(model: str, usage: Usage) -> None:
    """Asked again, and for another usage, the amount is that of the table: tiers, caches, fees for each request."""
    table = pytest.importorskip("genai_prices", reason="the extra [prices] is not installed")
    provider = {"c": "anthropic", "s": "perplexity"}.get(model[0], "openai")
    names = ProviderInfo(name=provider, target="x:Y")
    prices = Prices()
    prices.cost(names, model, Usage(10, 10))
    asked = {field: getattr(usage, field) for field in usage if field.endswith("tokens") and getattr(usage, field)}
    expected = table.calc_price(table.Usage(**asked), model_ref=model, provider_id=provider).total_price
    for _ in range(2):
        cost = prices.cost(names, model, usage)
        assert cost is not None
        assert cost.amount == expected
