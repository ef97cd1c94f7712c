"""What a call used, as the provider counted it. What the provider did not report is ``None``, never 0."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from .record import Record
from .value import hiding


class Usage(Record, frozen=True):
    """Tokens.

    Attributes:
        input_tokens: everything sent, cache reads and writes included.
        output_tokens: everything made, reasoning included.
        cache_read_tokens: the part of ``input_tokens`` read from the provider's cache.
        cache_write_tokens: the part of ``input_tokens`` written to it.
        reasoning_tokens: the part of ``output_tokens`` that was reasoning.
        raw: the provider's own object.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    raw: Mapping[str, Any] = msgspec.field(default_factory=dict)

    __repr__ = hiding("raw")

    if not TYPE_CHECKING:  # a type checker knows the names by itself

        def __getattr__(self, name: str) -> Any:
            from .habits import OF_USAGE, missing

            raise missing(self, name, OF_USAGE)

    @property
    def total_tokens(self) -> int | None:
        """Input and output together; ``None`` unless both are known."""
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return self.input_tokens + self.output_tokens


class Cost(Record, frozen=True):
    """Money.

    Attributes:
        amount: in ``currency``.
        source: ``"provider"`` when the provider reported it, else the name and date of the price table.
    """

    amount: Decimal
    source: str
    currency: str = "USD"


def sent_in_all(rest: int | None, read: int | None, written: int | None) -> int | None:
    """The tokens sent, where a provider counts apart what it read from its cache and what it wrote to it."""
    return None if rest is None else rest + (read or 0) + (written or 0)


def together(*usages: Usage) -> Usage:
    """The tokens of several calls; of which one does not tell, they are not known. ``raw`` is the last one's."""

    def total(name: str) -> int | None:
        counts = [getattr(usage, name) for usage in usages]
        return None if None in counts else sum(counts)

    names = (name for name in Usage.__struct_fields__ if name != "raw")
    return Usage(**{name: total(name) for name in names}, raw=usages[-1].raw)


def with_counts(known: Mapping[str, Any], told: Mapping[str, Any], sent: Iterable[str]) -> dict[str, Any]:
    """What a stream has told of its usage so far, in several pieces.

    Counts are totals: a later one replaces an earlier one, and where it is missing the earlier one stands. No prompt
    has no tokens: who says so tells of the answer alone, and none of the zeros beside it replaces what was counted.

    Args:
        sent: names of the count of the prompt.
    """
    halved = not any(told.get(name) for name in sent)
    kept = {name for name, value in told.items() if value is None or (halved and value == 0 and known.get(name))}
    return {**known, **{name: value for name, value in told.items() if name not in kept}}


MOST = 2**63


def count(value: Any) -> int | None:
    """A count as a provider reports it: a whole number that is not negative and fits a database, else ``None``."""
    if type(value) is float and value.is_integer():  # some write every number so
        value = int(value)
    return value if type(value) is int and 0 <= value < MOST else None
