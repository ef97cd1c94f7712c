"""Hints where a habit from elsewhere meets a name of ours: only words, and only once something has failed."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from .canonical import CANONICAL, NAMES

OF_RESPONSES: Mapping[str, str] = {
    "choices": "the answer is response.text, all of it response.message, further ones response.alternatives",
    "content": "the answer's text is response.text, its parts are response.message.parts",
    "output": "the answer's text is response.text, its parts are response.message.parts",
    "output_text": "the answer's text is response.text",
    "stop_reason": "it is response.finish_reason, and response.raw_finish_reason as the provider says it",
    "model_dump": "response.to_dict() gives all of it",
    "model_dump_json": "json.dumps(response.to_dict()) gives all of it",
    "dict": "response.to_dict() gives all of it",
}
OF_USAGE: Mapping[str, str] = {
    "prompt_tokens": "it is usage.input_tokens",
    "completion_tokens": "it is usage.output_tokens",
    "prompt_tokens_details": "it is usage.cache_read_tokens and usage.cache_write_tokens",
    "completion_tokens_details": "it is usage.reasoning_tokens",
}
OF_PROVIDERS: Mapping[str, str] = {
    "responses": "chat(model, messages) asks, stream_chat() streams",
    "messages": "chat(model, messages) asks, stream_chat() streams",
    "completions": "execute(model, prompt) asks, stream_execute() streams",
    "completion": "execute(model, prompt) asks, chat(model, messages) too",
    "generate": "execute(model, prompt) asks, stream_execute() streams",
    "embeddings": "create_embedding(text_or_list, model) makes vectors",
    "embed": "create_embedding(text_or_list, model) makes vectors",
}
OF_CALLS: Mapping[str, str] = {
    "timeout": "give deadline= (seconds for this call); `timeout` is a setting of the provider, for silence",
    "stream": "stream_chat() and stream_execute() stream",
    "system": "execute() takes system_prompt=, chat() a message with the role system",
    "extra_body": "give provider_options={'PROVIDER': {…}}",
    "extra_headers": "give custom_headers when the provider is made",
    "input": "chat() takes messages, execute() a prompt, create_embedding() text_or_list",
    "functions": "give tools=",
    "metadata": "labelled(tags={…}) goes around calls",
}
SETTINGS = frozenset({"api_key", "base_url", "max_retries", "custom_headers", "proxies", "verify_ssl"})
"""Settings that other clients take with a call."""


def missing(value: object, name: str, hints: Mapping[str, str]) -> AttributeError:
    """The error of an attribute that a value has not, with the one to use instead."""
    hint = f"; {hints[name]}" if name in hints else ""
    return AttributeError(f"{type(value).__name__!r} object has no attribute {name!r}{hint}", name=name, obj=value)


def misused(method: str, signature: inspect.Signature, args: Any, named: Mapping[str, Any]) -> TypeError | None:
    """The error of arguments that a method of this signature does not take; ``None`` of some that it does.

    Args:
        method: its name, as callers know it.
        signature: with its owner as the first parameter.
    """
    try:
        signature.bind(None, *args, **named)
    except TypeError as error:
        said = str(error)
    else:
        return None
    unknown = next((word for word in named if word not in signature.parameters), None)
    return TypeError(f"{method}() {said}") if unknown is None else unknown_keyword(method, unknown, named[unknown])


def unknown_keyword(method: str, name: str, value: Any) -> TypeError:
    """The error of a keyword that a method does not take, with what to write instead."""
    hint = OF_CALLS.get(name)
    if name in SETTINGS:
        hint = f"it is a setting: create_provider('PROVIDER', {{{name!r}: …}})"
    elif hint is None and (name in NAMES or any(row.name == name for row in CANONICAL)):
        hint = f"parameters of the model go together: parameters={{{name!r}: {value!r}}}"
    return TypeError(f"{method}() got an unexpected keyword argument {name!r}" + (f"; {hint}" if hint else ""))
