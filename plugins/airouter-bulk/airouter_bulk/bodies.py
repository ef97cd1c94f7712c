"""Rows that bring their own question: lines of an OpenAI batch file, or messages.

Source of the lines: OpenAI's batch guide, "Preparing your batch file": ``custom_id``, ``method``, ``url``, ``body``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from airouter_core.dialects.chat_completions.unread import FORMAT
from airouter_core.errors import ParameterError
from airouter_core.values.canonical import CANONICAL, NAMES

KNOWN = frozenset({*NAMES, *(row.name for row in CANONICAL)})
ENDPOINT = "/chat/completions"
ARGUMENTS = ("messages", "tools", "tool_choice", "response_format")
SAID_OTHERWISE = frozenset({*ARGUMENTS, "model", "stream", "stream_options", "user"})
NOTHING: Mapping[str, Any] = {}


class Brought(NamedTuple):
    """A question as its row has it.

    Attributes:
        arguments: of a chat.
        parameters: those that are known under some name.
        own: what only servers of the chat-completions format understand.
    """

    arguments: Mapping[str, Any]
    parameters: Mapping[str, Any] = NOTHING
    own: Mapping[str, Mapping[str, Any]] = NOTHING


def brought(row: Mapping[str, Any]) -> Brought:
    """The question of a row.

    Raises:
        ParameterError: it brings none.
    """
    if isinstance(body := row.get("body"), Mapping) and "custom_id" in row:
        return _of_line(row, body)
    if row.get("messages") is not None:
        return Brought({"messages": row["messages"]})
    raise ParameterError(
        "the specification has no prompt, so each row brings its question, and this one has neither messages nor what "
        "a line of a batch file has (custom_id, url, body)"
    )


def _of_line(row: Mapping[str, Any], body: Mapping[str, Any]) -> Brought:
    method, url = row.get("method", "POST"), row.get("url", ENDPOINT)
    if method != "POST" or not isinstance(url, str) or not url.endswith(ENDPOINT):
        raise ParameterError(f"of a batch file, lines with POST and …{ENDPOINT} are asked, not {method} {url}")
    if body.get("stream"):
        raise ParameterError("stream: an answer of a batch comes whole")
    if body.get("messages") is None:
        raise ParameterError("the body has no messages")
    said = {name: value for name, value in body.items() if name not in SAID_OTHERWISE and value is not None}
    own = {name: said.pop(name) for name in said.keys() - KNOWN}
    arguments = {name: body[name] for name in (*ARGUMENTS, "user") if body.get(name) is not None}
    return Brought(arguments, said, {FORMAT: own} if own else NOTHING)
