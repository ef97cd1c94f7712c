"""What was measured, as values: a table has rows, a row may have a bound."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import attrs

Rounds = Mapping[str, Sequence[float]]
"""One figure of each subject, round by round."""


@attrs.frozen
class Bound:
    """What a figure of ours must not exceed, in each run.

    Attributes:
        name: what is compared, in words.
        values: the figure in each run.
        limit: the most it may be.
    """

    name: str
    values: tuple[float, ...]
    limit: float
    unit: str = "times"

    @property
    def met(self) -> bool:
        """Whether it holds in two runs of three (in more than half of any other number)."""
        return 2 * sum(value <= self.limit for value in self.values) > len(self.values)


@attrs.frozen
class Row:
    """One subject: its figures by column, and how it stands in the plot."""

    subject: str
    figures: tuple[str, ...]
    plotted: float


@attrs.frozen
class Table:
    """One table of the results.

    Attributes:
        name: of the plot's file.
        columns: above the figures; the subject's column is not among them.
        plotted: what the plot shows.
        line: where the plot shows the bound, in the same unit.
        notes: what a reader must know, and what was left out.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    plotted: str
    bounds: tuple[Bound, ...] = ()
    line: float | None = None
    notes: tuple[str, ...] = ()


def middle(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the round-by-round ratios, which a busy machine moves less than it moves the figures."""
    return statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))


def merged(runs: Sequence[Table]) -> Table:
    """The last run's table, with the bounds' figures of all runs."""
    bounds = tuple(
        attrs.evolve(bounds[-1], values=tuple(value for bound in bounds for value in bound.values))
        for bounds in zip(*(table.bounds for table in runs), strict=True)
    )
    return attrs.evolve(runs[-1], bounds=bounds)
