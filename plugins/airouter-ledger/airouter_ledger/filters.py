"""Which calls are meant: conditions on the table of calls, and words to look for in their text."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs

from airouter_core.errors import ParameterError

from . import money
from .contents import MICROSECONDS

NUMBER = {"sqlite": "words.rowid", "postgresql": "contents.number"}
"""The number of what holds the words that are looked for."""


@attrs.frozen
class Listing:
    """How calls are listed, a page at a time.

    Attributes:
        tables: what is read.
        where: the condition, with its ``values``.
        order: the columns that put the calls in the order of time.
        place: what these columns are of a call that is known.
    """

    tables: str
    where: str
    values: tuple[Any, ...]
    order: tuple[str, ...]
    place: str


@attrs.frozen(kw_only=True)
class Filter:
    """Conditions that a call must all meet; ``None`` asks for nothing.

    Attributes:
        model: as asked or as served; ``*`` stands for any letters.
        error: the class of the error; ``"any"`` for every call that failed.
        text: words that prompt and answer hold, all of them, ``*`` at the end of one for any end; only of calls whose
            content was kept.
        since, until: when it began.
        cost_over: it cost more than so much.
    """

    model: str | None = None
    provider: str | None = None
    kind: str | None = None
    error: str | None = None
    session: str | None = None
    user: str | None = None
    tags: Mapping[str, str] = attrs.field(factory=dict)
    text: str | None = None
    since: datetime.datetime | None = None
    until: datetime.datetime | None = None
    cost_over: Decimal | None = None
    leaves: bool = False

    def sql(self, dialect: str) -> tuple[str, list[Any]]:
        """The condition on the table of calls, with its values."""
        where, values = self._without_words(dialect)
        if self.text is None:
            return where, values
        tables, words, query = _search(dialect, self.text)
        return f"{where} AND calls.id IN (SELECT contents.call FROM {tables} WHERE {words})", [*values, query]  # noqa: S608  # made of names above

    def listing(self, dialect: str) -> Listing:
        """How calls are listed one after the other, in the order of time."""
        where, values = self._without_words(dialect)
        if self.text is None:
            return Listing("calls", where, tuple(values), ("calls.at", "calls.id"), "at, id")
        # The words lead: what holds them is come by in the order of time, so a list ends when it is long enough.
        tables, words, query = _search(dialect, self.text)
        join = "CROSS JOIN calls ON" if dialect == "sqlite" else "JOIN calls ON"
        number = NUMBER[dialect]
        if self.since is not None:
            where, values = f"{number} >= ? AND {where}", [int(self.since.timestamp() * MICROSECONDS), *values]
        return Listing(
            f"{tables} {join} calls.id = contents.call",
            f"{words} AND {where}",
            (query, *values),
            (number,),
            "COALESCE((SELECT number FROM contents WHERE call = calls.id), CAST(at * 1000000 AS BIGINT))",
        )

    def _without_words(self, dialect: str) -> tuple[str, list[Any]]:
        parts: list[str] = ["1 = 1"]
        values: list[Any] = []

        def add(condition: str, *given: Any) -> None:
            parts.append(condition)
            values.extend(given)

        if self.model is not None:
            like = self.model.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("*", "%")
            add("(calls.model LIKE ? ESCAPE '\\' OR calls.served LIKE ? ESCAPE '\\')", like, like)
        equal = {"provider": self.provider, "kind": self.kind, "session": self.session, "person": self.user}
        for column, value in equal.items():
            if value is not None:
                add(f"calls.{column} = ?", value)
        if self.error is not None:
            add("calls.error IS NOT NULL" if self.error == "any" else "calls.error = ?", *_unless_any(self.error))
        for name, tag in self.tags.items():
            _tag(add, dialect, name, tag)
        self._figures(add)
        return " AND ".join(parts), values

    def _figures(self, add: Any) -> None:
        for sign, moment in ((">=", self.since), ("<", self.until)):
            if moment is not None:
                add(f"calls.at {sign} ?", moment.timestamp())
        if self.cost_over is not None:
            add("calls.amount > ?", money.stored(self.cost_over))
        if self.leaves:
            add("calls.leaf = 1")


def _unless_any(error: str) -> tuple[str, ...]:
    return () if error == "any" else (error,)


def _tag(add: Any, dialect: str, name: str, value: str) -> None:
    if dialect == "sqlite":
        add("json_extract(calls.tags, '$.' || json_quote(?)) = ?", name, value)
    else:
        add("CAST(calls.tags AS json) ->> CAST(? AS text) = ?", name, value)


def _search(dialect: str, text: str) -> tuple[str, str, str]:
    """The tables in which words are found, the condition, and its value."""
    # A star at the end stands for any end. Without it a short word would be the beginning of half of all calls.
    words = re.findall(r"\w+\*?", text)
    if not words:
        raise ParameterError(f"there is no word to look for in {text!r}")
    if dialect == "sqlite":
        # Quoted, so that no word is an operator of the search.
        query = " ".join(f'"{word.rstrip("*")}"' + "*" * word.endswith("*") for word in words)
        # Crossed, so that the words are looked up first, whatever SQLite thinks of how many there are.
        return "words CROSS JOIN contents ON contents.number = words.rowid", "words MATCH ?", query
    query = " & ".join(word.replace("*", ":*") for word in words)
    return "contents", "contents.words @@ to_tsquery('simple', ?)", query
