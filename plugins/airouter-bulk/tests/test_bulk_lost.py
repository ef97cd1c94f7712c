"""Calls whose makers are gone: what nobody knows the end of, and what is known of it later."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from airouter_bulk.journal.records import Call
from airouter_bulk.outcomes import LostError, NotSentError
from airouter_core import create_provider
from airouter_core.errors import AirouterError
from airouter_core.profile.prices import Prices
from airouter_core.values.ask import Ask
from airouter_core.values.response import Response

if TYPE_CHECKING:
    from conftest import Bulk

PRICES = Prices.of_settings({"openai/m": {"input": 100, "output": 100}})
MONEY = {"parameters": {"max_tokens": 10}, "budget": "1", "prices": PRICES}


class _Losing:
    """Makes calls, and loses some: the call is made all the same, and its answer is kept here.

    Args:
        first: so many calls end in this error.
    """

    def __init__(self, bulk: Bulk, first: int, error: AirouterError, *, asks: bool = True) -> None:
        config = {"base_url": bulk.witness.server.url, "api_key": "k", "max_retries": 0}
        self._config, self._left, self._error, self._asks = config, first, error, asks
        self.lost: list[tuple[Call, Response]] = []

    async def __call__(self, ask: Ask, call: Call) -> Response:
        losing, self._left = self._left > 0, self._left - 1
        if losing and not self._asks:
            raise self._error
        async with create_provider("openai", self._config) as provider:
            response: Response = await provider.arun(provider.flow_of(ask))
        if losing:
            self.lost.append((call, response))
            raise self._error
        return response


def _money(bulk: Bulk) -> tuple[int, int]:
    with closing(sqlite3.connect(bulk.folder / "journal.db")) as journal:
        spent, reserved = journal.execute("SELECT spent, reserved FROM runs").fetchone()
    return spent, reserved


def test_what_is_lost_is_asked_again_and_stays_booked(bulk: Bulk) -> None:
    """What comes out is the same as where nothing was lost."""
    summary = bulk.run(bulk.numbered(3), answering=_Losing(bulk, 2, LostError("gone")), **MONEY)
    assert (summary.exit_code, summary.valid, summary.calls) == (0, 3, 5)
    assert len(bulk.witness.calls) == 5
    spent, reserved = _money(bulk)
    assert spent == 3 * 3_000_000_000
    assert reserved >= 2 * 3_000_000_000
    lines = bulk.lines()
    assert [line["airouter"]["attempts"] for line in lines] == [1, 1, 1]
    assert [line["airouter"]["cost"] for line in lines] == [0.003] * 3


def test_what_is_lost_is_held_where_the_specification_says_so(bulk: Bulk) -> None:
    """It is neither asked again nor failed; its rows stand beside, and are asked when the specification says so."""
    summary = bulk.run(bulk.numbered(3), answering=_Losing(bulk, 2, LostError("gone")), uncertain="hold")
    assert (summary.exit_code, summary.valid, summary.uncertain, summary.calls) == (2, 1, 2, 3)
    errors = bulk.lines("errors.jsonl")
    assert {line["airouter"]["error"]["class"] for line in errors} == {"uncertain"}
    assert sorted(line["n"] for line in [*errors, *bulk.lines()]) == [0, 1, 2]
    assert bulk.run(bulk.numbered(3), uncertain="hold").uncertain == 2
    assert bulk.run(bulk.numbered(3)).valid == 3
    assert bulk.lines("errors.jsonl") == []


def test_a_question_that_loses_whoever_asks_it_is_given_up(bulk: Bulk) -> None:
    """After as many tries as for any other failure that may pass."""
    summary = bulk.run(bulk.numbered(1), answering=_Losing(bulk, 9, LostError("gone"), asks=False), retries=2)
    assert (summary.exit_code, summary.failed, summary.calls) == (2, 1, 3)
    assert bulk.lines("errors.jsonl")[0]["airouter"]["error"]["class"] == "transient"


def test_what_was_not_sent_costs_nothing_and_is_no_try(bulk: Bulk) -> None:
    """However often its moment passes."""
    answering = _Losing(bulk, 7, NotSentError("too late"), asks=False)
    summary = bulk.run(bulk.numbered(2), answering=answering, retries=0, **MONEY)
    assert (summary.exit_code, summary.valid, summary.calls) == (0, 2, 2)
    assert _money(bulk) == (2 * 3_000_000_000, 0)
    assert [line["airouter"]["attempts"] for line in bulk.lines()] == [1, 1]


@pytest.mark.parametrize("schema", [None, {"type": "string"}])
def test_an_answer_that_comes_late_counts(bulk: Bulk, schema: dict[str, str] | None) -> None:
    """It was paid for; nothing is asked again, and no money stays booked for it."""
    more = {**MONEY, "schema": schema, "reasks": 0} if schema else MONEY
    bulk.witness.behave = lambda witness, question, number: bulk.said(f'"{question}"')
    losing = _Losing(bulk, 2, LostError("gone"))
    first = bulk.run(bulk.numbered(3), answering=losing, uncertain="hold", **more)
    assert (first.valid, first.uncertain) == (1, 2)
    again = bulk.run(bulk.numbered(3), late=losing.lost, **more)
    assert (again.exit_code, again.valid, again.calls) == (0, 3, 3)
    assert len(bulk.witness.calls) == 3
    assert _money(bulk) == (3 * 3_000_000_000, 0)
    whole = bulk.bytes()
    # Told again, it changes nothing.
    assert bulk.run(bulk.numbered(3), late=losing.lost, **more).calls == 3
    assert bulk.bytes() == whole


def test_an_answer_that_comes_too_late_is_only_paid_for(bulk: Bulk) -> None:
    """Where the question was answered in the meantime, that answer stays."""
    losing = _Losing(bulk, 1, LostError("gone"))
    bulk.witness.behave = lambda witness, question, number: bulk.said(f"answer {number}")
    assert bulk.run(bulk.numbered(1), answering=losing, **MONEY).valid == 1
    before = bulk.bytes()
    assert bulk.run(bulk.numbered(1), late=losing.lost, **MONEY).calls == 2
    assert bulk.bytes() == before
    assert bulk.lines()[0]["answer"] == "answer 2"
    assert _money(bulk) == (2 * 3_000_000_000, 0)
