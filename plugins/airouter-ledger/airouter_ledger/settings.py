"""The tables of ``airouter.toml`` that the ledger understands, and what they come to.

::

    [ledger]
    on = true                       # or `airouter logs on`
    path = "~/ledger.db"            # or postgresql://…
    content = "text"                # none, text, full
    keep = "90 days"
    size = "1 GB"

    [cache]
    ttl = "7 days"
    what = "repeatable"             # or all
    shared = false

    [budgets.team-a]
    amount = 50
    period = "month"
    tags = { team = "a" }
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

import attrs

from airouter_core.errors import ConfigurationError
from airouter_core.profile.prices import TABLE as PRICES
from airouter_core.profile.prices import Prices

from .answers import KEPT
from .bookkeeping import Rules
from .budgets import budgets_of
from .caching import CacheRules
from .ledger import default_path, seconds_of
from .switch import CONTENTS, Content, switch

TABLES = ("ledger", "cache", "budgets", PRICES)
"""The tables that are the ledger's."""
LEDGER_FIELDS = ("on", "path", "content", "keep", "size", "output_tokens", "durable")
CACHE_FIELDS = ("on", "ttl", "size", "what", "shared")
SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([KMGT]?)i?B?", re.IGNORECASE)


@attrs.frozen(kw_only=True)
class LedgerSettings:
    """What the tables come to.

    Attributes:
        on: whether anything is to be remembered.
        address: a path or ``postgresql://…``.
        keep: seconds after which calls are forgotten, or ``None``.
        size: bytes that are kept at most, or ``None``.
        cache: ``None`` where no answers are given again.
        durable: whether what was written must survive a loss of power.
    """

    on: bool
    address: str
    rules: Rules
    keep: float | None = None
    size: int | None = None
    cache: CacheRules | None = None
    durable: bool = False


def read(tables: Mapping[str, Mapping[str, Any]], environ: Mapping[str, str] | None = None) -> LedgerSettings:
    """Read the tables, and the user's switch.

    Raises:
        ConfigurationError: a table says what it cannot.
    """
    table = tables.get("ledger", {})
    _only(table, LEDGER_FIELDS, "[ledger]")
    switched = switch(environ)
    budgets = budgets_of(tables.get("budgets", {}))
    cache = _cache(tables["cache"]) if "cache" in tables else None
    on = _flag(table, "on", switched is not None or bool(table), "[ledger]")
    if (budgets or cache is not None) and table.get("on") is False:
        raise ConfigurationError("[budgets] and [cache] need the ledger, and [ledger] on = false switches it off")
    prices = Prices.of_settings(tables.get(PRICES, {}))
    return LedgerSettings(
        on=on or bool(budgets) or cache is not None,
        address=_address(table),
        rules=Rules(
            content=_content(table.get("content", switched or "none")),
            budgets=budgets,
            prices=prices,
            output_tokens=_count(table, "output_tokens", 4096),
        ),
        keep=seconds_of(table["keep"]) if "keep" in table else None,
        size=size_of(table["size"]) if "size" in table else None,
        cache=cache,
        durable=_flag(table, "durable", bool(budgets), "[ledger]"),
    )


def size_of(value: Any) -> int:
    """The bytes that a size such as ``"1 GB"`` is; a K is 1,024.

    Raises:
        ConfigurationError: it is none.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    match = SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ConfigurationError(f"a size is a number of bytes, or a text such as '500 MB', not {value!r}")
    return int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " "))


def _address(table: Mapping[str, Any]) -> str:
    path = table.get("path")
    if path is None:
        return default_path()
    if not isinstance(path, str) or not path:
        raise ConfigurationError(f"[ledger] path must be a path or postgresql://…, not {path!r}")
    return path if "://" in path else os.path.expanduser(path)


def _cache(table: Mapping[str, Any]) -> CacheRules | None:
    _only(table, CACHE_FIELDS, "[cache]")
    if not _flag(table, "on", True, "[cache]"):
        return None
    what = table.get("what", "repeatable")
    if what not in ("repeatable", "all"):
        raise ConfigurationError(f"[cache] what is repeatable or all, not {what!r}")
    return CacheRules(
        ttl=seconds_of(table["ttl"]) if "ttl" in table else CacheRules().ttl,
        size=size_of(table["size"]) if "size" in table else KEPT,
        what=what,
        shared=_flag(table, "shared", False, "[cache]"),
    )


def _content(value: Any) -> Content:
    for content in CONTENTS:
        if value == content:
            return content
    raise ConfigurationError(f"[ledger] content is {', '.join(CONTENTS)}, not {value!r}")


def _count(table: Mapping[str, Any], name: str, default: int) -> int:
    value = table.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigurationError(f"[ledger] {name} must be a whole number of at least 1, not {value!r}")
    return value


def _flag(table: Mapping[str, Any], name: str, default: bool, where: str) -> bool:
    value = table.get(name, default)
    if not isinstance(value, bool):
        raise ConfigurationError(f"{where} {name} must be true or false, not {value!r}")
    return value


def _only(table: Mapping[str, Any], fields: tuple[str, ...], where: str) -> None:
    if unknown := sorted(set(table) - set(fields)):
        raise ConfigurationError(f"{where} takes {', '.join(fields)}, not {', '.join(unknown)}")
