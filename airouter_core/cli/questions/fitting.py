"""Answers that fit the schema they were asked for, whatever the provider promises: checked, and asked for once more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ...errors import ProtocolError
from ...flow.layers import Answer, silent
from ...flow.steps import Flow, delegated, done, replayed
from ...tools.validation import checked, prepare
from ...values.ask import Ask
from ...values.messages import Message
from ...values.response import Response

SHOWN = 400
"""Characters of an answer that an error shows."""
AGAIN = "That does not fit the JSON Schema: {problem}. Answer again, with the corrected JSON and nothing else."


def fitted(ask: Ask, answer: Answer) -> Flow[Any]:
    """A layer: answers of chats with a JSON Schema fit it, and are in ``response.parsed``.

    One that does not is shown to the model with what is wrong, once; both calls count and cost. A stream is handed on
    when it is known to fit. What calls tools, refuses, or was asked for otherwise goes through as it comes::

        provider = create_provider("ollama", layers=[fitted])

    Raises:
        ConfigurationError: the schema is none, or what validates is not installed.
        ProtocolError: the second answer does not fit either, or one was cut by its limit; ``partial`` is that answer.
    """
    wanted = ask.response_format
    if ask.kind != "chat" or wanted is None or wanted.schema is None:
        return (yield from answer(ask))
    schema = wanted.schema
    yield from done(prepare, schema)
    response = yield from _whole(ask, answer)
    fitting, problem = _checked(response, schema)
    if problem is not None and response.finish_reason != "length":
        said = (*ask.messages, Message.assistant(response.text), Message.user(AGAIN.format(problem=problem)))
        first, response = problem, (yield from _whole(ask.asked_as(attempt=2, messages=said), answer))
        fitting, problem = _checked(response, schema)
        note = f"the first answer did not fit the schema and was asked for again ({first})"
        fitting = msgspec.structs.replace(fitting, warnings=(*fitting.warnings, note))
    if problem is not None:
        raise _unfit(response, problem)
    return (yield from replayed(fitting)) if ask.stream else fitting


def _whole(ask: Ask, answer: Answer) -> Flow[Response]:
    response: Response = yield from delegated(answer(ask), through=silent)
    return response


def _checked(response: Response, schema: Mapping[str, Any]) -> tuple[Response, str | None]:
    """The response with the value that fits, or what is wrong with it."""
    if response.refusal is not None or response.tool_calls:
        return response, None
    value, problem = checked(response.text, schema)
    return (response, problem) if problem else (msgspec.structs.replace(response, parsed=value), None)


def _unfit(response: Response, problem: str) -> ProtocolError:
    text = response.text if len(response.text) <= SHOWN else response.text[:SHOWN] + "…"
    cut = "the answer was cut by its limit; raise max_tokens. " if response.finish_reason == "length" else ""
    error = ProtocolError(f"{cut}the answer does not fit the schema: {problem}; it is: {text}")
    error.partial = response
    return error
