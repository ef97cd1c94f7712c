"""Amounts as the database keeps them: whole billionths, rounded up where it is about what may be spent."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal

UNIT = Decimal("1e-9")


def stored(amount: Decimal) -> int:
    """An amount in billionths."""
    return int((amount / UNIT).to_integral_value(ROUND_HALF_EVEN))


def stored_at_most(amount: Decimal) -> int:
    """An amount in billionths, never less than it is."""
    return int((amount / UNIT).to_integral_value(ROUND_CEILING))


def read(amount: int) -> Decimal:
    """The amount that so many billionths are, without the zeros at its end."""
    value = (amount * UNIT).normalize()
    return value.quantize(Decimal(1)) if value == value.to_integral_value() else value
