"""What the journal, its workers and the command say to each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from airouter_core.profile.prices import Prices

from ..counts import Counts
from ..rows import Row, row_of
from ..spec import Spec
from .reference import Reference

SentRow = tuple[bytes, str | None]
"""A row as it travels: its data, and what is wrong with it."""


class Plan(NamedTuple):
    """What a run is, for each of its lives."""

    spec: Spec
    folder: str
    reference: Reference
    model: str
    prices: Prices
    rows: bool


class Look(NamedTuple):
    """How a run stands.

    Attributes:
        begun: the journal knows of it.
        quiet: seconds for which each worker has said nothing.
        left: somebody is asked whether the run goes on, with so many questions.
    """

    life: str
    begun: bool
    counts: Counts | None
    left: int | None
    quiet: Mapping[str, float]


def plain_rows(rows: list[Row]) -> list[SentRow]:
    """Rows as they travel."""
    return [(row.data, row.problem) for row in rows]


def rows_again(sent: list[SentRow]) -> list[Row]:
    """Rows that have travelled."""
    return [Row(data, None if problem is not None else row_of(data), problem) for data, problem in sent]
