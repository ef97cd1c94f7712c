"""What a dialect is to the server: a record of pure functions, and what writes one answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from airouter_core.values.events import StreamEvent
from airouter_core.values.response import Response
from airouter_core.values.value import Value

from .question import Naming, Question
from .refusals import Refusal

JSON = b"application/json"
SSE = b"text/event-stream; charset=utf-8"
NDJSON = b"application/x-ndjson"


class Writer(Protocol):
    """Writes one answer, as a stream or whole."""

    def feed(self, event: StreamEvent) -> bytes:
        """What a stream says of an event; empty when that is nothing, or not yet."""

    def end(self, seconds: float) -> bytes:
        """The end of a stream that is complete.

        Args:
            seconds: since the question came.
        """

    def failure(self, refusal: Refusal) -> bytes:
        """What a stream says that failed after it had begun. No end mark follows."""

    def whole(self, response: Response, seconds: float) -> bytes:
        """The body of an answer that nobody reads along."""


class Dialect(Value, frozen=True, kw_only=True):
    """How clients of one kind ask a chat.

    Attributes:
        read: a body, by what stands in its headers (in lower case) too.
        writer: for an answer to a question.
        refused: the body of a refusal; and its status, where this dialect has a number of its own.
        ping: what says in a stream that somebody is still there; empty where the dialect has no such thing.
        places: for what of an answer, beside its words, the format has a place.
        cuts_failures: whether the body of a stream that fails is broken off too, since there are clients that read
            over what the dialect says of it.
    """

    name: str
    read: Callable[[bytes, Mapping[str, str]], Question]
    writer: Callable[[Question, Naming], Writer]
    refused: Refused
    stream_type: bytes = SSE
    ping: bytes = b""
    places: frozenset[str] = frozenset()
    cuts_failures: bool = False


class Refused(Protocol):
    """Writes refusals."""

    def __call__(self, refusal: Refusal, request_id: str, /) -> tuple[int, bytes, tuple[tuple[bytes, bytes], ...]]:
        """The status, the body, and headers of the dialect's own."""


def headers_of(raw: Any) -> dict[str, str]:
    """Headers as ASGI gives them, by name."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in raw}
