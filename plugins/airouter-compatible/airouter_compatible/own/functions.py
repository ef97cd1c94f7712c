"""The functions that a service may bring beside its row. Each stands for one seam of the dialect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airouter_core.dialects.chat_completions.dialect import Received
from airouter_core.values.messages import Message
from airouter_core.values.value import Value
from airouter_core.wire.http import Headers

Body = dict[str, Any]


class Own(Value, frozen=True, kw_only=True):
    """What differs from what the row says.

    Attributes:
        received: puts each chunk and each whole answer into the format.
        sent_message: a change to each message, after those of the row.
        adapt: a change to the body, after those of the row.
        headers: the key, and who is asking.
        thoughts: whether ``sent_message`` sends reasoning back.
    """

    received: Received | None = None
    sent_message: Callable[[Body, Message], Body] | None = None
    adapt: Callable[[Body], Body] | None = None
    headers: Callable[[Any], Headers] | None = None
    thoughts: bool = False
