"""Which call a fragment of a tool call belongs to.

Servers differ. An index may be missing, or used for two calls; an id may be missing, come late, or stand on each
fragment; a name may come late or be repeated. The order of trust: a fragment belongs to the call whose id it carries; a
new id begins a call; else it belongs to the call of its index; else to the one begun last. A named fragment after
complete JSON begins a call of its own. So the arguments of two calls are never joined, whatever a server leaves out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ...errors import ProtocolError
from ...values.arguments import CALL_FIELDS
from ...values.events import StreamEvent, ToolCallDelta, ToolCallEnd, ToolCallStart
from ...values.tools import invented_id
from ...values.value import NO_METADATA
from ...wire.json import mapping, text

KNOWN = frozenset({"index", "id", "type", "function", "custom"})
"""Fields of a fragment that are read; the rest is kept with the call and goes back with it."""
NONE_YET = "{}"
KNOWN_OF_FUNCTION = frozenset({"name", "arguments", "input"})


class _OpenCall(msgspec.Struct, eq=False):
    """A call whose fragments are still coming. It begins when its name is known.

    A name may come in pieces, as OpenAI's own client takes it; so a call is handed on when more than the name is known.

    Attributes:
        told: whether anything of its arguments has been handed on.
    """

    ordinal: int
    id: str = ""
    name: str = ""
    begun: bool = False
    pieces: list[str] = msgspec.field(default_factory=list)
    kept: dict[str, Any] = msgspec.field(default_factory=dict)
    told: bool = False

    @property
    def arguments(self) -> str:
        return "".join(self.pieces)

    @property
    def is_complete(self) -> bool:
        """Whether its arguments are a whole JSON object already."""
        try:
            return isinstance(json.loads(self.arguments, strict=False), dict)
        except (ValueError, RecursionError):
            return False


class _Fragment(msgspec.Struct):
    """What one fragment says."""

    id: str
    name: str
    index: int | None
    position: int
    piece: str
    kept: dict[str, Any]


class Calls:
    """The tool calls of one answer, as their fragments come."""

    def __init__(self) -> None:
        self._some_begun = False
        self._calls: list[_OpenCall] = []
        self._by_id: dict[str, _OpenCall] = {}
        self._by_index: dict[int, _OpenCall] = {}
        self._by_position: dict[int, _OpenCall] = {}

    def __bool__(self) -> bool:
        return self._some_begun

    def take(self, fragments: list[Any]) -> Iterator[StreamEvent]:
        """Take the fragments that stand in one chunk."""
        for position, said in enumerate(fragments):
            fragment = _read(mapping(said), position)
            call = self._call_of(fragment, several=len(fragments) > 1)
            if call is None:
                yield from self._start_all()
                call = self._begin(fragment)
            elif call.id == fragment.id and call.begun and call.arguments == fragment.piece and call.is_complete:
                continue  # said once more, in the chunk that ends the answer
            yield from self._extend(call, fragment)

    def end(self, provider: str) -> Iterator[StreamEvent]:
        """End all calls.

        Raises:
            ProtocolError: one never had a name.
        """
        yield from self._start_all()
        for call in self._calls:
            if call.begun:
                if not call.told and call.arguments:
                    yield ToolCallDelta(call.ordinal, call.arguments)
                kept = {provider: {CALL_FIELDS: call.kept}} if call.kept else NO_METADATA
                yield ToolCallEnd(call.ordinal, kept)
            elif call.id or call.arguments:
                raise ProtocolError(f"the provider sent tool call {call.id!r} without a name")

    def _call_of(self, fragment: _Fragment, *, several: bool) -> _OpenCall | None:
        """The call that a fragment carries on; ``None`` where it begins one."""
        named = self._by_id.get(fragment.id) if fragment.id else None
        at_index = None if fragment.index is None else self._by_index.get(fragment.index)
        if named is not None and (fragment.index is None or named is at_index or not named.is_complete):
            repeated = fragment.piece == named.arguments or not fragment.piece.strip()
            return named if repeated or not _begins_another(named, fragment) else None
        if fragment.index is not None:
            candidate = at_index
        elif several:
            candidate = self._by_position.get(fragment.position)
        else:
            candidate = self._calls[-1] if self._calls else None
        if candidate is None or _begins_another(candidate, fragment):
            return None
        if not fragment.id or not candidate.id:
            return candidate
        # Some servers make up an id for each fragment; there the index tells, and no name stands beside it.
        same = fragment.index is not None and not fragment.name and not candidate.is_complete
        return candidate if same else None

    def _begin(self, fragment: _Fragment) -> _OpenCall:
        call = _OpenCall(len(self._calls))
        self._calls.append(call)
        self._by_position[fragment.position] = call
        if fragment.index is not None:
            self._by_index[fragment.index] = call
        return call

    def _extend(self, call: _OpenCall, fragment: _Fragment) -> Iterator[StreamEvent]:
        if not call.id and fragment.id not in self._by_id:
            call.id = fragment.id
        if fragment.id:
            self._by_id.setdefault(fragment.id, call)
        call.name = _longer_name(call.name, fragment.name)
        _lay_over(call.kept, fragment.kept)
        call.pieces.append(fragment.piece)
        if call.arguments:
            yield from self._start(call)
        if call.begun:
            yield from self._tell(call, fragment.piece)

    def _start_all(self) -> Iterator[StreamEvent]:
        for call in self._calls:
            yield from self._start(call)

    def _start(self, call: _OpenCall) -> Iterator[StreamEvent]:
        if call.name and not call.begun:
            call.begun = self._some_begun = True
            call.id = call.id or invented_id(call.ordinal)
            yield ToolCallStart(call.ordinal, call.id, call.name)

    def _tell(self, call: _OpenCall, piece: str) -> Iterator[StreamEvent]:
        if call.told:
            if piece:
                yield ToolCallDelta(call.ordinal, piece)
            return
        said = call.arguments
        # Gateways to other formats begin with "{}", which is there where arguments are objects, and then say them.
        begins = said.lstrip().removeprefix(NONE_YET).lstrip() if said.lstrip().startswith(NONE_YET) else ""
        if begins.startswith("{") and call.kept.get("type") != "custom":
            call.pieces[:] = [said := begins]
        if said.strip() not in ("", NONE_YET):
            call.told = True
            yield ToolCallDelta(call.ordinal, said)


def _read(said: Mapping[str, Any], position: int) -> _Fragment:
    function = mapping(said.get("function") or said.get("custom"))
    kept = {name: value for name, value in said.items() if name not in KNOWN and value is not None}
    inner = {name: value for name, value in function.items() if name not in KNOWN_OF_FUNCTION and value is not None}
    if inner:
        kept["function"] = inner
    if said.get("custom") and not said.get("function"):
        kept["type"] = "custom"  # its arguments are a text, and go back as one
    arguments = function.get("arguments", function.get("input"))
    return _Fragment(
        id=text(said.get("id")),
        name=text(function.get("name")),
        index=_index(said.get("index")),
        position=position,
        piece=arguments if isinstance(arguments, str) else "" if arguments is None else json.dumps(arguments),
        kept=kept,
    )


def _index(value: Any) -> int | None:
    """An index, which some servers write as a text."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 6:
        return int(value)
    if type(value) is float and value.is_integer():
        return int(value)
    return value if type(value) is int else None


def _begins_another(call: _OpenCall, fragment: _Fragment) -> bool:
    if fragment.name and call.name:
        if not (call.begun or call.arguments or fragment.id not in ("", call.id)) and fragment.index is not None:
            return False  # the next piece of its name
        return fragment.name != call.name or call.is_complete
    # Nothing says whose an object is that follows a complete one: then it is nobody's, which the end reports.
    nobodys = not (fragment.id or fragment.name) and fragment.index is None
    return nobodys and fragment.piece.lstrip().startswith("{") and call.is_complete


def _longer_name(known: str, more: str) -> str:
    """A name and its next piece; some say it once more, from the beginning."""
    return more if more.startswith(known) else known if known.startswith(more) else known + more


def _lay_over(kept: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Add fields, those of objects one by one."""
    for name, value in more.items():
        known = kept.get(name)
        kept[name] = {**known, **value} if isinstance(known, dict) and isinstance(value, dict) else value
