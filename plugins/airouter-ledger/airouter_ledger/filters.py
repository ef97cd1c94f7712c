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
        if self.text is not None:
            _words(add, dialect, self.text)
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


def _words(add: Any, dialect: str, text: str) -> None:
    # A star at the end stands for any end. Without it a short word would be the beginning of half of all calls.
    words = re.findall(r"\w+\*?", text)
    if not words:
        raise ParameterError(f"there is no word to look for in {text!r}")
    if dialect == "sqlite":
        # Quoted, so that no word is an operator of the search.
        query = " ".join(f'"{word.rstrip("*")}"' + "*" * word.endswith("*") for word in words)
        found = "SELECT rowid FROM words WHERE words MATCH ?"
        add(f"calls.id IN (SELECT call FROM contents WHERE rowid IN ({found}))", query)  # noqa: S608  # as it stands
    else:
        query = " & ".join(word.replace("*", ":*") for word in words)
        add("calls.id IN (SELECT call FROM contents WHERE words @@ to_tsquery('simple', ?))", query)
