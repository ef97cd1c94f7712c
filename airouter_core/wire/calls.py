"""Tool calls as answers that bring them whole, or block by block, begin them.

Each call has a name, and an id that no other call of its answer has: results are told apart by it, and vendors refuse
a conversation in which it stands twice.
"""

from __future__ import annotations

import json
from typing import Any

from ..errors import ProtocolError
from ..values.events import ToolCallStart
from ..values.tools import invented_id
from .json import text

SPACED = (", ", ": ")
COMPACT = (",", ":")


class CallStarts:
    """The calls of one answer, as they begin.

    Attributes:
        count: how many have begun.
    """

    def __init__(self) -> None:
        self.count = 0
        self._ids: set[str] = set()

    def begin(self, identity: Any, name: Any, *, number: int | None = None, instead: str = "") -> ToolCallStart:
        """Begin the next call.

        Args:
            identity, name: as the provider sent them.
            number: of the call in its answer; the next one unless given.
            instead: its id where the provider gave none, or one that another call has; invented unless given.

        Raises:
            ProtocolError: it has no name, so that nobody can say what is to be called.
        """
        if not text(name):
            raise ProtocolError(f"the provider sent tool call {identity!r} without a name")
        place = self.count if number is None else number
        own = text(identity)
        if not own or own in self._ids:
            own = instead if instead and instead not in self._ids else invented_id(place)
        self._ids.add(own)
        self.count += 1
        return ToolCallStart(place, own, text(name))


def written_arguments(value: Any, separators: tuple[str, str] = SPACED) -> str:
    """Arguments that came in one piece, as the JSON that calls hold. Some servers write it themselves, as a text."""
    if isinstance(value, str):
        return value if value.strip() else "{}"
    return json.dumps({} if value is None else value, ensure_ascii=False, separators=separators)
