"""What calls cost, as OpenRouter reports it: its credits are US dollars."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from airouter_core.values.usage import Cost


def money(value: Any) -> Decimal | None:
    """An amount as JSON has it; exact, so not by way of binary fractions. ``None`` unless it is a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    amount = Decimal(str(value))
    return amount if amount.is_finite() else None


def cost_of(usage: Mapping[str, Any]) -> Cost | None:
    """What OpenRouter charged for a call, from its usage; ``None`` where it does not say."""
    amount = money(usage.get("cost"))
    return None if amount is None else Cost(amount, "provider")
