"""Answers that fit the schema they were asked for, whatever the provider promises: checked, and asked for once more."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from ...errors import ConfigurationError, ParameterError, ProtocolError
from ...flow.layers import Answer, silent
from ...flow.steps import Flow, delegated, done, replayed
from ...values.ask import Ask
from ...values.messages import Message
from ...values.response import Response
from .code_blocks import code_blocks

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
    validator = yield from done(_validator, _as_text(wanted.schema))
    response = yield from _whole(ask, answer)
    checked, problem = _checked(response, validator)
    if problem is not None and response.finish_reason != "length":
        said = (*ask.messages, Message.assistant(response.text), Message.user(AGAIN.format(problem=problem)))
        first, response = problem, (yield from _whole(ask.asked_as(attempt=2, messages=said), answer))
        checked, problem = _checked(response, validator)
        note = f"the first answer did not fit the schema and was asked for again ({first})"
        checked = msgspec.structs.replace(checked, warnings=(*checked.warnings, note))
    if problem is not None:
        raise _unfit(response, problem)
    return (yield from replayed(checked)) if ask.stream else checked


def _whole(ask: Ask, answer: Answer) -> Flow[Response]:
    response: Response = yield from delegated(answer(ask), through=silent)
    return response


def _checked(response: Response, validator: Any) -> tuple[Response, str | None]:
    """The response with the value that fits, or what is wrong with it."""
    if response.refusal is not None or response.tool_calls:
        return response, None
    value, problem = _value(response.text)
    if problem is None:
        found = next(validator.iter_errors(value), None)
        problem = None if found is None else _told(found)
    return (response, problem) if problem else (msgspec.structs.replace(response, parsed=value), None)


def _value(text: str) -> tuple[Any, str | None]:
    """The JSON that an answer is, or that stands in a code block of it."""
    for candidate in (text, *code_blocks(text)[-1:]):
        try:
            return json.loads(candidate), None
        except (ValueError, RecursionError) as error:
            problem = f"it is no valid JSON ({error})"
    return None, problem


def _told(error: Any) -> str:
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path)
    message = re.sub(r"\s+", " ", str(error.message))
    return f"{place.lstrip('.') or 'it'}: {message if len(message) <= SHOWN else message[:SHOWN] + '…'}"


def _unfit(response: Response, problem: str) -> ProtocolError:
    text = response.text if len(response.text) <= SHOWN else response.text[:SHOWN] + "…"
    cut = "the answer was cut by its limit; raise max_tokens. " if response.finish_reason == "length" else ""
    error = ProtocolError(f"{cut}the answer does not fit the schema: {problem}; it is: {text}")
    error.partial = response
    return error


def _as_text(schema: Mapping[str, Any]) -> str:
    return msgspec.json.encode(schema).decode()


@functools.lru_cache(maxsize=32)
def _validator(schema: str) -> Any:
    try:
        import jsonschema_rs
    except ImportError as error:
        raise ConfigurationError("validating answers needs an extra: pip install 'airouter-core[schemas]'") from error
    try:
        return jsonschema_rs.validator_for(json.loads(schema))
    except (ValueError, jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
        raise ParameterError(f"the schema is no JSON Schema: {str(error).splitlines()[0]}") from error
