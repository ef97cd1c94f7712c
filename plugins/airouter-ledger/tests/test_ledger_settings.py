"""What the tables of a settings file come to, and what is wrong in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airouter_core.errors import ConfigurationError
from airouter_ledger.settings import read


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    """A user who has switched nothing on."""
    return {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}


@pytest.mark.parametrize(
    ("tables", "on", "durable", "caches"),
    [
        ({}, False, False, False),
        ({"ledger": {"content": "text"}}, True, False, False),
        ({"ledger": {"on": False}}, False, False, False),
        ({"ledger": {"on": True, "durable": True}}, True, True, False),
        ({"cache": {}}, True, False, True),
        ({"cache": {"on": False}}, False, False, False),
        ({"budgets": {"team": {"amount": 5}}}, True, True, False),
        ({"budgets": {"team": {"amount": 5}}, "ledger": {"durable": False}}, True, False, False),
    ],
)
def test_what_switches_it_on(tables: Any, on: bool, durable: bool, caches: bool, surroundings: dict[str, str]) -> None:
    """Its own table, a budget, or a cache; with budgets what was written survives a loss of power."""
    found = read(tables, surroundings)
    assert (found.on, found.durable, found.cache is not None) == (on, durable, caches)


def test_what_is_said_is_kept(surroundings: dict[str, str]) -> None:
    """Ages are seconds and sizes bytes; a path of the user's home is found there."""
    ledger = {"path": "~/x.db", "content": "full", "keep": "2 days", "size": "1 MB", "output_tokens": 9}
    found = read(
        {"ledger": ledger, "cache": {"ttl": "1 h", "size": "2 KB", "what": "all", "shared": True}}, surroundings
    )
    assert found.address.endswith("/x.db")
    assert "~" not in found.address
    assert (found.rules.content, found.keep, found.size, found.rules.output_tokens) == ("full", 172800.0, 1 << 20, 9)
    assert found.cache is not None
    assert (found.cache.ttl, found.cache.size, found.cache.what, found.cache.shared) == (3600.0, 2048, "all", True)
    usual = read({"cache": {}}, surroundings)
    assert usual.cache is not None
    assert (usual.rules.content, usual.keep, usual.size, usual.rules.output_tokens) == ("none", None, None, 4096)
    assert (usual.cache.what, usual.cache.shared) == ("repeatable", False)
    assert read({"ledger": {"path": "postgresql://a/~b"}}, surroundings).address == "postgresql://a/~b"


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"ledger": {"pth": "x"}}, r"\[ledger\] takes on, path, .*, not pth"),
        ({"ledger": {"path": 5}}, r"\[ledger\] path must be a path or postgresql://…, not 5"),
        ({"ledger": {"path": ""}}, r"\[ledger\] path must be a path or postgresql://…, not ''"),
        ({"ledger": {"on": "yes"}}, r"\[ledger\] on must be true or false, not 'yes'"),
        ({"ledger": {"durable": 1}}, r"\[ledger\] durable must be true or false, not 1"),
        ({"ledger": {"content": "some"}}, r"\[ledger\] content is none, text, full, not 'some'"),
        ({"ledger": {"output_tokens": 0}}, "output_tokens"),
        ({"ledger": {"output_tokens": True}}, "output_tokens"),
        ({"ledger": {"keep": 5}}, "an age is a text such as '30 days', not 5"),
        ({"ledger": {"size": "big"}}, "a size is a number of bytes"),
        ({"cache": {"what": "some"}}, r"\[cache\] what is repeatable or all, not 'some'"),
        ({"cache": {"shared": "no"}}, r"\[cache\] shared must be true or false, not 'no'"),
        ({"cache": {"keep": "1 day"}}, r"\[cache\] takes on, ttl, size, what, shared, not keep"),
        ({"cache": {}, "ledger": {"on": False}}, "need the ledger, and .* on = false switches it off"),
        ({"budgets": {"t": {"amount": 5}}, "ledger": {"on": False}}, "need the ledger, and"),
        ({"budgets": {"t": {"amount": 5, "amont": 5}}}, "takes .*, not amont"),
        ({"budgets": {"t": {"amount": 5, "period": 5}}}, "period must be a text, not 5"),
        ({"budgets": {"t": {"amount": 5, "unpriced": "maybe"}}}, "unpriced is .* or .*, not 'maybe'"),
    ],
)
def test_what_is_wrong_is_told(tables: Any, message: str, surroundings: dict[str, str]) -> None:
    """With the table, the field, and what it takes."""
    with pytest.raises(ConfigurationError, match=message):
        read(tables, surroundings)
