"""One call, as the ledger remembers it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from airouter_core.values.record import Record, plain
from airouter_core.values.usage import Cost, Usage

from . import money
from .database.base import Row


class CallRecord(Record, frozen=True, kw_only=True):
    """One call.

    Attributes:
        id: the ask's.
        parent: the ask on whose behalf this one was made, by a router for instance.
        at: when it began, in seconds since 1970.
        kind: ``"chat"``, ``"embedding"``, ``"image"``, …
        provider: the name it was asked by.
        address: where the provider is reached, without a key.
        model: as asked; ``served`` is the one that answered, or a router's target.
        attempt: which try this was, from 1.
        attempts: whom a router asked on the way.
        parameters: canonical names and the values that were sent.
        usage: tokens, with their parts.
        cost: ``None`` when it is unknown.
        at_least: whether it may have cost more: it failed or was cancelled on the way.
        saved: what an answer given again would have cost.
        seconds: from asking to the end.
        first_event: seconds to the first event.
        finish: why the answer ended.
        error: the class of the error, where it is one; ``"cancelled"`` when the reader left.
        leaf: whether this call went to a service itself; those of a router do not, and are not counted twice.
        size: bytes of what is kept of its content.
    """

    id: str
    at: float
    kind: str
    provider: str
    parent: str | None = None
    address: str | None = None
    model: str | None = None
    served: str | None = None
    attempt: int = 1
    attempts: tuple[Mapping[str, Any], ...] = ()
    parameters: Mapping[str, Any] = msgspec.field(default_factory=dict)
    usage: Usage = msgspec.field(default_factory=Usage)
    cost: Cost | None = None
    at_least: bool = False
    saved: Decimal | None = None
    seconds: float | None = None
    first_event: float | None = None
    finish: str | None = None
    error: str | None = None
    session: str | None = None
    user: str | None = None
    tags: Mapping[str, str] = msgspec.field(default_factory=dict)
    stream: bool = False
    leaf: bool = True
    size: int = 0


COLUMNS = (
    "id", "parent", "at", "kind", "provider", "address", "model", "served", "attempt", "attempts", "parameters",
    "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens",
    "amount", "currency", "source", "at_least", "saved", "seconds", "first_event", "finish", "error",
    "session", "person", "tags", "stream", "leaf", "size",
)  # fmt: skip
SELECT = ", ".join(f"calls.{column}" for column in COLUMNS)
INSERT = (
    f"INSERT INTO calls ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))}) ON CONFLICT (id) DO NOTHING"  # noqa: S608  # made of the names above
)


def row_of(record: CallRecord) -> tuple[Any, ...]:
    """A record as the values of :data:`COLUMNS`."""
    usage, cost = record.usage, record.cost
    return (
        record.id, text(record.parent), record.at, record.kind, record.provider, text(record.address),
        text(record.model), text(record.served), record.attempt, _json(record.attempts), _json(record.parameters),
        usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens,
        usage.reasoning_tokens,
        None if cost is None else money.stored(cost.amount), None if cost is None else cost.currency,
        None if cost is None else cost.source, int(record.at_least),
        None if record.saved is None else money.stored(record.saved), record.seconds, record.first_event,
        text(record.finish), record.error, text(record.session), text(record.user), _json(record.tags),
        int(record.stream), int(record.leaf), record.size,
    )  # fmt: skip


def record_of(row: Row) -> CallRecord:
    """The record of a row of :data:`SELECT`."""
    found = dict(zip(COLUMNS, row, strict=True))
    amount, currency, source, saved = (found.pop(name) for name in ("amount", "currency", "source", "saved"))
    usage = Usage(**{name: found.pop(name) for name in Usage.__struct_fields__ if name in found})
    attempts, parameters, tags = (_read_json(found.pop(name)) for name in ("attempts", "parameters", "tags"))
    found["user"] = found.pop("person")  # "user" is a word of SQL
    at_least, stream, leaf = (found.pop(name) for name in ("at_least", "stream", "leaf"))
    return CallRecord(
        **found,
        at_least=bool(at_least),
        stream=bool(stream),
        leaf=bool(leaf),
        attempts=tuple(attempts or ()),
        parameters=parameters or {},
        tags=tags or {},
        usage=usage,
        cost=None if amount is None else Cost(money.read(amount), source, currency),
        saved=None if saved is None else money.read(saved),
    )


def text(value: str | None) -> str | None:
    """Text that every database takes: without NUL, and without halves of characters."""
    if value is None or (value.isascii() and "\0" not in value):
        return value
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _json(value: Any) -> str | None:
    if not value:
        return None
    return msgspec.json.encode(_cleaned(plain(value))).decode()


def _cleaned(value: Any) -> Any:
    if isinstance(value, dict):
        return {text(name): _cleaned(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    return text(value) if isinstance(value, str) else value


def _read_json(value: str | None) -> Any:
    return None if value is None else msgspec.json.decode(value)
