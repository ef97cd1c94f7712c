"""Budgets: an amount for a period, and what it covers."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

import attrs

from airouter_core.errors import ConfigurationError
from airouter_core.values.ask import Ask

from .periods import Period

KEY_TAG = "key"
"""The tag that names the key somebody came with: its name, never the key."""
FIELDS = (
    *("amount", "currency", "period", "time_zone"),
    *("tags", "users", "keys", "providers", "models"),
    *("warn_at", "at_limit", "tier_down", "unpriced"),
)


@attrs.frozen(kw_only=True)
class Budget:
    """An amount for a period, and what it covers. What is left empty covers all.

    Attributes:
        amount: in ``currency``, for each period.
        tags: covered are asks that have all of these.
        users, keys, providers, models: covered is one of these; ``*`` stands for any letters.
        warn_at: the part of the amount from which on it is told, from 0 to 1.
        at_limit: ``"refuse"`` a call that does not fit, or only ``"warn"``.
        tier_down: the model to ask in place of the one asked for, from ``warn_at`` on: of the same provider; of a
            router it is another route.
        unpriced: whether a call whose price is unknown is refused or allowed.
        title: what messages call it, if it stands in no table of the settings.
    """

    name: str
    amount: Decimal
    currency: str = "USD"
    period: Period
    tags: Mapping[str, str] = attrs.field(factory=dict)
    users: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    warn_at: float = 0.8
    at_limit: Literal["refuse", "warn"] = "refuse"
    tier_down: str | None = None
    unpriced: Literal["refuse", "allow"] = "refuse"
    title: str | None = None

    @property
    def called(self) -> str:
        """What messages call it."""
        return self.title or f"budget {self.name!r}"

    def said(self, field: str) -> str:
        """How messages tell of one of its fields."""
        return f"{field} of {self.title}" if self.title else f"[budgets.{self.name}] {field}"

    def covers(self, ask: Ask, provider: str, names: Iterable[str] = ()) -> bool:
        """Whether a call is to be paid from this budget.

        Args:
            names: other names of the provider.
        """
        return (
            all(ask.tags.get(name) == value for name, value in self.tags.items())
            and _among(ask.user, self.users)
            and _among(ask.tags.get(KEY_TAG), self.keys)
            and (not self.providers or any(_among(name, self.providers) for name in (provider, *names)))
            and _among(ask.model, self.models)
        )


@attrs.frozen
class BudgetState:
    """How much of a budget is used up now: spent, and set aside for calls that are on their way.

    Attributes:
        ends: when the period ends, in seconds since 1970; of a moving window when its oldest part leaves it.
    """

    budget: Budget
    used: Decimal
    ends: float | None

    @property
    def part(self) -> float:
        """Used of the amount; 1 is all."""
        return float(self.used / self.budget.amount) if self.budget.amount else 1.0


def budgets_of(tables: Mapping[str, Any]) -> tuple[Budget, ...]:
    """The budgets of the ``[budgets.NAME]`` tables.

    Raises:
        ConfigurationError: a table says what no budget has, or has no amount.
    """
    return tuple(_budget(name, table) for name, table in sorted(tables.items()))


def _among(value: str | None, patterns: Sequence[str]) -> bool:
    return not patterns or (value is not None and any(fnmatch.fnmatchcase(value, pattern) for pattern in patterns))


def _budget(name: str, table: Any) -> Budget:
    where = f"[budgets.{name}]"
    if not isinstance(table, Mapping):
        raise ConfigurationError(f"{where} must be a table with an amount and a period")
    if unknown := sorted(set(table) - set(FIELDS)):
        raise ConfigurationError(f"{where} takes {', '.join(FIELDS)}, not {', '.join(unknown)}")
    for field, words in (("at_limit", ("refuse", "warn")), ("unpriced", ("refuse", "allow"))):
        if table.get(field, words[0]) not in words:
            raise ConfigurationError(f"{where}: {field} is {' or '.join(words)}, not {table[field]!r}")
    warn_at = table.get("warn_at", 0.8)
    if not isinstance(warn_at, int | float) or isinstance(warn_at, bool) or not 0 <= warn_at <= 1:
        raise ConfigurationError(f"{where}: warn_at is a part from 0 to 1, not {warn_at!r}")
    tags = table.get("tags", {})
    if not isinstance(tags, Mapping) or not all(isinstance(value, str) for value in tags.values()):
        raise ConfigurationError(f"{where}: tags must map names to texts")
    return Budget(
        name=name,
        amount=_positive(table.get("amount"), where),
        currency=_text(table, "currency", "USD", where),
        period=Period(_text(table, "period", "month", where), _text(table, "time_zone", "UTC", where)),
        tags=dict(tags),
        users=_texts(table, "users", where),
        keys=_texts(table, "keys", where),
        providers=_texts(table, "providers", where),
        models=_texts(table, "models", where),
        warn_at=float(warn_at),
        at_limit=table.get("at_limit", "refuse"),
        tier_down=_text(table, "tier_down", "", where) or None,
        unpriced=table.get("unpriced", "refuse"),
    )


def _positive(value: Any, where: str) -> Decimal:
    try:
        amount = Decimal(str(value)) if not isinstance(value, bool) and value is not None else Decimal("nan")
    except InvalidOperation:
        amount = Decimal("nan")
    if not amount.is_finite() or amount < 0:
        raise ConfigurationError(f"{where}: amount must be a number of at least 0, not {value!r}")
    return amount


def _text(table: Mapping[str, Any], field: str, default: str, where: str) -> str:
    value = table.get(field, default)
    if not isinstance(value, str):
        raise ConfigurationError(f"{where}: {field} must be a text, not {value!r}")
    return value


def _texts(table: Mapping[str, Any], field: str, where: str) -> tuple[str, ...]:
    value = table.get(field, ())
    if isinstance(value, str) or not isinstance(value, Iterable) or not all(isinstance(item, str) for item in value):
        raise ConfigurationError(f"{where}: {field} must be a list of texts")
    return tuple(value)
