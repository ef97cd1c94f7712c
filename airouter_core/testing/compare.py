"""What a response lacks, compared with what the vendor's own client makes of the same bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import (
    AuthenticationError,
    BadRequestError,
    ContentFilteredError,
    ContextLengthError,
    ModelNotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProviderError,
    QuotaExceededError,
    RateLimitedError,
    ServerError,
)
from ..values.events import FinishReason
from ..values.response import Response
from .meanings import expected_finish_reason
from .recordings import Recording

Classes = tuple[type[ProviderError], ...]

BY_CODE: Mapping[str, Classes] = {
    "insufficient_quota": (QuotaExceededError,),
    "rate_limit_exceeded": (RateLimitedError,),
    "rate_limit_error": (RateLimitedError,),
    "invalid_api_key": (AuthenticationError,),
    "authentication_error": (AuthenticationError,),
    "model_not_found": (ModelNotFoundError,),
    "context_length_exceeded": (ContextLengthError,),
    "exceed_context_size_error": (ContextLengthError,),
    "overloaded_error": (OverloadedError,),
}
BY_STATUS: Mapping[int, Classes] = {
    400: (BadRequestError, AuthenticationError, ContentFilteredError, ModelNotFoundError, QuotaExceededError),
    401: (AuthenticationError,),
    402: (QuotaExceededError,),
    403: (PermissionDeniedError, ContentFilteredError, AuthenticationError, QuotaExceededError),
    404: (ModelNotFoundError, BadRequestError, PermissionDeniedError),
    429: (RateLimitedError, QuotaExceededError),
}

APART_FROM_INPUT = (
    "cacheReadInputTokens",
    "cacheWriteInputTokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "toolUsePromptTokenCount",
    "total_tool_use_tokens",
)
"""Counts of the formats that are known which stand beside what was sent: of what came from a cache, or from a tool."""
APART_FROM_OUTPUT = ("thoughtsTokenCount", "total_thought_tokens")
"""Those which stand beside what was answered: of what was thought."""


NO_WORDS: Mapping[str, FinishReason] = {}


def difference(
    recording: Recording, outcome: Response | BaseException, meanings: Mapping[str, FinishReason] = NO_WORDS
) -> list[str]:
    """Every point in which an outcome differs from what is expected; empty when it is right.

    Args:
        outcome: the response, or the error that was raised in its place.
        meanings: of words for the end of an answer that only this provider has.
    """
    expected = recording.expected
    if expected is None:
        return []
    error = recording.expected_error
    if error is not None:
        return list(_error_differences(recording, error, outcome))
    if expected.get("block_reason"):
        return list(_blocked_differences(expected["block_reason"], outcome))
    if isinstance(outcome, BaseException):
        return [f"expected an answer, got {type(outcome).__name__}: {outcome}"]
    return list(_differences(recording, expected, outcome, meanings))


def expected_input_tokens(recording: Recording) -> int | None:
    """``usage.input_tokens`` in canonical terms: everything sent. Some formats count parts of it beside it."""
    expected = recording.expected or {}
    tokens: int | None = (expected.get("usage") or {}).get("input_tokens")
    raw = expected.get("usage_raw") or {}
    return tokens if "prompt_tokens" in raw else _whole(tokens, raw, APART_FROM_INPUT)


def expected_output_tokens(recording: Recording) -> int | None:
    """``usage.output_tokens`` in canonical terms: everything made. Some formats count thoughts beside the answer."""
    expected = recording.expected or {}
    tokens: int | None = (expected.get("usage") or {}).get("output_tokens")
    raw = expected.get("usage_raw") or {}
    if tokens is None and any(raw.get(name) is not None for name in APART_FROM_OUTPUT):
        tokens = 0  # all of the answer was thought
    if tokens is not None and (thought := _thought_apart(raw)):
        return tokens + thought
    return _whole(tokens, raw, APART_FROM_OUTPUT)


def _thought_apart(raw: Mapping[str, Any]) -> int:
    """Thoughts of a service that speaks chat completions and counts them apart, which only its sum tells."""
    thought: int = (raw.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    counted = [raw.get("prompt_tokens") or 0, raw.get("completion_tokens") or 0, thought]
    return thought if raw.get("total_tokens") == sum(counted) else 0


def _whole(tokens: int | None, raw: Mapping[str, Any], apart: tuple[str, ...]) -> int | None:
    return None if tokens is None else tokens + sum(raw.get(name) or 0 for name in apart)


def _differences(
    recording: Recording, expected: Mapping[str, Any], response: Response, meanings: Mapping[str, FinishReason]
) -> Iterator[str]:
    if "text" in expected:
        yield from _unequal("text", expected["text"] or "", response.text)
    if "tool_calls" in expected:
        yield from _tool_call_differences(expected["tool_calls"] or [], response)
    if expected.get("finish_reason") is not None:
        yield from _finish_differences(expected, response, meanings)
    if "usage" in expected:
        yield from _unequal("usage.input_tokens", expected_input_tokens(recording), response.usage.input_tokens)
        yield from _unequal("usage.output_tokens", expected_output_tokens(recording), response.usage.output_tokens)
    if "reasoning" in expected:
        yield from _unequal("reasoning", expected["reasoning"] or None, response.reasoning or None)
    amount = None if response.cost is None else float(response.cost.amount)
    said = {"refusal": response.refusal, "model": response.model, "response_id": response.id, "cost": amount}
    for name, got in said.items():
        if expected.get(name) is not None:
            yield from _unequal(name, expected[name], got)
    yield from _choice_differences(expected.get("choices") or [], response)


def _choice_differences(choices: list[Any], response: Response) -> Iterator[str]:
    answers = (response, *response.alternatives)
    for position, choice in enumerate(choices):
        said = choice.get("text") if isinstance(choice, Mapping) else None
        if isinstance(said, str):
            got = answers[position].text if position < len(answers) else None
            yield from _unequal(f"choices[{position}].text", said, got)


def _finish_differences(
    expected: Mapping[str, Any], response: Response, meanings: Mapping[str, FinishReason]
) -> Iterator[str]:
    meaning = expected_finish_reason(expected, meanings)
    if meaning is not None:
        yield from _unequal("finish_reason", meaning, response.finish_reason)
    accepted = {expected["finish_reason"], expected.get("incomplete_reason")} - {None}
    if response.raw_finish_reason not in accepted:
        yield from _unequal("raw_finish_reason", expected["finish_reason"], response.raw_finish_reason)


def _tool_call_differences(expected: list[Mapping[str, Any]], response: Response) -> Iterator[str]:
    calls = response.tool_calls
    yield from _unequal("names of tool_calls", [call["name"] for call in expected], [call.name for call in calls])
    for wanted, call in zip(expected, calls, strict=False):
        where = f"tool_calls {call.name}"
        raw = wanted.get("arguments_raw", wanted.get("custom_input"))
        if isinstance(raw, str):
            yield from _unequal(f"{where}.arguments_json", raw or "{}", call.arguments_json or "{}")
        if isinstance(wanted.get("arguments"), Mapping):
            yield from _unequal(f"{where}.arguments", wanted["arguments"], _parsed(call.arguments_json))
        if wanted.get("id"):
            yield from _unequal(f"{where}.id", wanted["id"], call.id)


def _error_differences(
    recording: Recording, error: Mapping[str, Any], outcome: Response | BaseException
) -> Iterator[str]:
    if not isinstance(outcome, ProviderError):
        got = "an answer" if isinstance(outcome, Response) else f"{type(outcome).__name__}: {outcome}"
        yield f"expected a ProviderError ({error.get('type')}: {error.get('message')}), got {got}"
        return
    status = error.get("status")
    yield from _unequal("status", status, outcome.status)
    accepted = _accepted(error, status)
    if not isinstance(outcome, accepted):
        names = " or ".join(item.__name__ for item in accepted)
        yield f"error class: expected {names}, got {type(outcome).__name__}"
    message = error.get("message")
    if isinstance(message, str) and _one_line(message)[:60] not in _one_line(str(outcome)):
        yield f"message: {message[:60]!r} is not in {str(outcome)[:200]!r}"
    partial = (recording.expected or {}).get("text")
    if partial:
        yield from _unequal("partial.text", partial, outcome.partial.text if outcome.partial else None)


def _blocked_differences(reason: str, outcome: Response | BaseException) -> Iterator[str]:
    if not isinstance(outcome, ContentFilteredError):
        yield f"expected a ContentFilteredError, got {type(outcome).__name__}"
    elif reason not in str(outcome):
        yield f"message: {reason!r} is not in {str(outcome)[:200]!r}"


def _accepted(error: Mapping[str, Any], status: Any) -> Classes:
    for code in (error.get("code"), error.get("type")):
        if isinstance(code, str) and code in BY_CODE:
            return BY_CODE[code]
    if isinstance(status, int) and status >= 500:
        # Some servers say 500 of what is the caller's; a provider that can tell says so.
        return (ServerError, OverloadedError, BadRequestError, ContextLengthError)
    return BY_STATUS.get(status, (ProviderError,)) if isinstance(status, int) else (ProviderError,)


def _unequal(what: str, expected: Any, got: Any) -> Iterator[str]:
    if expected != got:
        yield f"{what}: expected {_shown(expected)}, got {_shown(got)}"


def _parsed(text: str) -> Any:
    try:
        return json.loads(text or "{}")
    except ValueError:
        return None


def _one_line(said: str) -> str:
    """Line breaks are blanks in the message of an error whose body is a web page."""
    return " ".join(said.split())


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:70]}…{text[-40:]}"
