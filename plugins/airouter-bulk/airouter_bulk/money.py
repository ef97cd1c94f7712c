"""Money as whole numbers: millionths of a millionth of a dollar, which add up exactly and fit a column of SQLite."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

PICO = Decimal(10) ** 12


def pico(amount: Decimal) -> int:
    """Dollars as a whole number, rounded up: what is spent is never under-reported."""
    return int((amount * PICO).to_integral_value(ROUND_CEILING))


def dollars(amount: int) -> Decimal:
    """A whole number as dollars."""
    return (Decimal(amount) / PICO).normalize() if amount else Decimal(0)
