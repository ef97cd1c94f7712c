"""A conversation that somebody remembers."""

from __future__ import annotations

from .messages import Message
from .value import Value, hiding


class Conversation(Value, frozen=True):
    """What has been said in one session, to be gone on with.

    Attributes:
        session: its id, as its calls carried it.
        messages: up to and with the last whole answer, a system prompt among them.
        provider: who answered last, under the name it was asked by.
        model: the one that was asked last.
    """

    session: str
    messages: tuple[Message, ...]
    provider: str
    model: str

    __repr__ = hiding("messages")
