"""What a client asked, read from its dialect: as values.

A dialect reads a body without knowing who will answer. What only servers of the same dialect understand is kept apart
(``own``), and so is what the ask would be for such a server (``for_native``); :mod:`.binding` lays the two together for
a :class:`Taker`, and names every loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airouter_core.values.ask import Ask
from airouter_core.values.value import Value

NOTHING: Mapping[str, Any] = {}


class Question(Value, frozen=True, kw_only=True):
    """One body of a client, read.

    Attributes:
        ask: what is asked, for a server of any dialect; ``model`` is as the client named it.
        native: the format, or the one provider, whose servers speak this dialect.
        own: fields that only such a server understands.
        called: what of a field of ``own`` is lost elsewhere, as the client calls it; all of it unless said here.
        for_native: fields of the ask that differ for such a server.
        only_native: fields without which it would be another question, so that nobody else may be asked.
        losses: what nobody is told of it.
        foreign_losses: what a server of another dialect is not told.
        include_usage: whether a stream ends with its usage.
        shows_thoughts: whether the client reads thoughts.
        tools: for the names of tools that were made for the ask, what the client calls them: namespace, name, kind.
        said: the fields of the body, for what an answer repeats.
    """

    ask: Ask
    native: str | None = None
    own: Mapping[str, Any] = NOTHING
    called: Mapping[str, tuple[str, ...]] = NOTHING
    for_native: Mapping[str, Any] = NOTHING
    only_native: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()
    foreign_losses: tuple[str, ...] = ()
    include_usage: bool = True
    shows_thoughts: bool = True
    tools: Mapping[str, NamedTool] = NOTHING
    said: Mapping[str, Any] = NOTHING


class Taker(Value, frozen=True):
    """Who is to answer.

    Attributes:
        provider: its canonical name.
        speaks: the format of its server, where that is one that several speak.
        is_local: whether it runs models on this machine.
    """

    provider: str
    speaks: str = ""
    is_local: bool = False


class NamedTool(Value, frozen=True):
    """What a client calls a tool that is offered under a name of ours."""

    name: str
    namespace: str | None = None
    custom: bool = False


class Naming(Value, frozen=True):
    """What an answer is called: an id without its prefix, when it began in seconds since 1970, and the model."""

    id: str
    created: int
    model: str
