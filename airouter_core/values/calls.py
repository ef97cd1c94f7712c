"""One call, as hooks and layers see it: who was asked what, and how it ended."""

from __future__ import annotations

from typing import Any

import msgspec

from .ask import Ask
from .record import Record
from .request import Request
from .response import Response
from .value import Value


class Identity(Record, frozen=True):
    """Who is asked, without a key.

    Attributes:
        name: canonical name of the provider.
        kept_as: the name that a manager keeps it under; tells two accounts at one provider apart.
        address: where it is reached, without credentials; ``None`` for what is not reached over HTTP.
    """

    name: str
    kept_as: str
    address: str | None = None


class Call(Value, frozen=True, eq=False):
    """One call to a provider, as hooks see it.

    Attributes:
        provider: canonical name.
        request: what the provider is asked, of a chat; of other kinds it holds no more than the model.
        stream: whether the caller reads a stream.
        ask: what was asked, of whatever kind.
        identity: which provider of that name, and where.
        parent: the ``id`` of the call that this one is made for: a router's, for those it asks.
        attempt: which try of its parent this is, from 1.
        notes: for hooks to remember things between start and end.
    """

    provider: str
    request: Request
    stream: bool
    ask: Ask = msgspec.field(default_factory=Ask)
    identity: Identity = Identity("", "")
    parent: str | None = None
    notes: dict[str, Any] = msgspec.field(default_factory=dict)

    @property
    def id(self) -> str:
        """Of the ask."""
        return self.ask.id

    @property
    def kind(self) -> str:
        """What was asked for, such as ``"embedding"``."""
        return self.ask.kind

    @property
    def attempt(self) -> int:
        return self.ask.attempt


class Outcome(Value, frozen=True):
    """How a call ended.

    Attributes:
        response: the answer; what had arrived of it when ``cancelled`` or ``error``. Of other kinds than chat it holds
            what was reported on the way: usage, cost, warnings.
        cancelled: the reader stopped before the end.
        seconds: from start to end.
        result: what the caller gets: of a chat the response, of other kinds what the operation gives; ``None`` when
            nothing came of it.
        requests: how many were sent, with those that were sent again, redirects and further pages.
        retries: how many of them repeated one that had failed.
        first: seconds until the answer began to be told; ``None`` when it never did, or comes in one piece.
    """

    response: Response
    error: BaseException | None
    cancelled: bool
    seconds: float
    result: Any = None
    requests: int = 0
    retries: int = 0
    first: float | None = None
