"""What is written to the journal and read from it."""

from __future__ import annotations

import zlib
from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec

from airouter_core.values.ask import Ask
from airouter_core.values.record import plain
from airouter_core.values.response import Response

from ..rows import Row

WORTH_COMPRESSING = 1024
"""Bytes."""


class Call(NamedTuple):
    """One attempt of an item, as the journal numbers it."""

    item: int
    number: int


class Job(NamedTuple):
    """An item that is to be asked.

    Attributes:
        position, data: of the first row that asks it.
        tries: failures so far that may pass.
        reasks: corrections asked for so far.
        correction: an answer that did not fit the schema, and why.
        ask: what is asked, where it has been made already.
    """

    item: int
    position: int
    data: bytes
    tries: int = 0
    reasks: int = 0
    correction: tuple[str, str] | None = None
    ask: Ask | None = None


class Asked(NamedTuple):
    """A row that comes into the journal, with its question and the key of that, or the reason why it has none."""

    row: Row
    key: bytes | None = None
    ask: Ask | None = None
    problem: str | None = None


class Booking(NamedTuple):
    """A call that is about to be made, and the most that it can cost."""

    item: int
    reserve: int


class Ended(NamedTuple):
    """How an attempt ended, and what becomes of its item.

    Attributes:
        attempt: ``"unsent"`` for one that was booked and then not made; ``"uncertain"`` when nobody will know how it
            ended.
        item: the item's next state.
        cost: as whole numbers of :mod:`airouter_bulk.money`; ``None`` leaves what was reserved booked.
    """

    attempt: Literal["answered", "failed", "unsent", "uncertain"]
    item: Literal["answered", "valid", "pending", "failed", "uncertain"]
    tries: int = 0
    cost: int | None = None
    priced_by: str | None = None
    failure: str | None = None
    error: str | None = None
    request_id: str | None = None
    answer: bytes | None = None


class Settled(NamedTuple):
    """A call that has ended: which attempt of its job it was, what was reserved for it, and how it ended."""

    job: Job
    number: int
    reserve: int
    ended: Ended


class Verdict(NamedTuple):
    """What validation says of an item's last answer."""

    item: int
    state: Literal["valid", "pending", "invalid"]
    problem: str | None = None


class Tally(NamedTuple):
    """How far a run is. ``rows`` counts rows, the others items; ``malformed`` are rows that could not be
    asked, and ``cut`` those of the valid ones whose answers the model did not end by itself.
    """

    rows: int = 0
    malformed: int = 0
    pending: int = 0
    valid: int = 0
    failed: int = 0
    uncertain: int = 0
    attempts: int = 0
    spent: int = 0
    reserved: int = 0
    cut: int = 0


class Costs(NamedTuple):
    """What calls have cost, in US dollars; without ``priced_by`` nobody says, and what was reserved counts."""

    run: int
    priced_by: str | None
    calls: int
    amount: Decimal


def packed(response: Response) -> bytes:
    """An answer as JSON: whole."""
    return msgspec.json.encode(response, enc_hook=plain)


def kept(answer: bytes) -> bytes:
    """The same as it stands in the file: compressed where that is worth more than it takes."""
    return answer if len(answer) < WORTH_COMPRESSING else zlib.compress(answer, 1)


def unpacked(answer: bytes) -> Response:
    """An answer that was kept."""
    return msgspec.json.decode(answer if answer.startswith(b"{") else zlib.decompress(answer), type=Response)
