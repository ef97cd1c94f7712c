"""What Ollama says about a failure: a sentence, in which sometimes llama.cpp's own error stands as JSON.

There are no codes, so the sentence decides. Sources: Ollama, server/routes.go (fb307609), and answers of a 0.33.0
server.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from airouter_core.dialects.chat_completions.errors import failure_in
from airouter_core.errors import (
    AuthenticationError,
    BadRequestError,
    ContextLengthError,
    FailureClass,
    ModelNotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProviderError,
    QuotaExceededError,
    ServerError,
)
from airouter_core.values.value import Value
from airouter_core.wire.failures import ErrorClass, ErrorTable, Failure, failure_in_body
from airouter_core.wire.http import Headers
from airouter_core.wire.json import mapping

from .plugin import OLLAMA


class RefusedError(ServerError):
    """The server says that it failed, and means that it will not: trying the same again does not help."""

    failure_class = FailureClass.CALLER_FAULT


CODES: Mapping[str, ErrorClass] = {
    "model_not_found": ModelNotFoundError,
    "no_such_endpoint": BadRequestError,
    "context_length": ContextLengthError,
    "exceed_context_size_error": ContextLengthError,
    "lacks_capability": BadRequestError,
    "invalid_request_error": BadRequestError,
    "not_signed_in": AuthenticationError,
    "plan_limit": QuotaExceededError,
    "cloud_disabled": PermissionDeniedError,
    "foreign_host": PermissionDeniedError,
    "overloaded": OverloadedError,
    "refused": RefusedError,
    "out_of_memory": RefusedError,
    "disk_full": RefusedError,
    "registry_unreachable": RefusedError,
    "runner_failed": ServerError,
}
ERRORS = ErrorTable(OLLAMA.name, CODES)

REQUEST_ID_HEADERS = ("x-request-id", "request-id")
"""Ollama sends none; a gateway before it may."""


class Saying(Value, frozen=True):
    """A sentence of the server, what it means, and what to do about it."""

    pattern: re.Pattern[str]
    code: str
    advice: str = ""


def _saying(pattern: str, code: str, advice: str = "") -> Saying:
    return Saying(re.compile(pattern, re.IGNORECASE), code, advice)


PULL = "pull it with `airouter ollama pull {name}` or provider.pull_model({name!r}), or set auto_pull"
LARGER = 'or give a larger context: parameters={"context": …}, or "auto"'
TAKE_ANOTHER = "show_model(name).capabilities tells what a model can do; take another one, or leave it out"

SAYINGS: tuple[Saying, ...] = (
    _saying(r"pull model manifest: file does not exist", "model_not_found", "the registry has no model of this name"),
    _saying(r"model ['\"](?P<name>[^'\"]+)['\"] not found", "model_not_found", PULL),
    _saying(
        r"exceeds the available context size|prompt is longer than the context|exceeds the context length",
        "context_length",
        LARGER,
    ),
    _saying(r"does not support", "lacks_capability", TAKE_ANOTHER),
    _saying(
        r"image input is not supported|missing data required for image input",
        "lacks_capability",
        TAKE_ANOTHER,
    ),
    _saying(r"image: unknown format|illegal base64", "invalid_request_error", "give a PNG or JPEG"),
    _saying(r"option \"[^\"]+\" must be|invalid format:", "invalid_request_error"),
    _saying(r"invalid model name", "invalid_request_error", "a name looks like 'mistral' or 'mistral:7b'"),
    _saying(
        r"requires more system memory|out of memory|unable to allocate",
        "out_of_memory",
        "take a smaller model or a smaller context",
    ),
    _saying(r"no space left on device|disk quota exceeded", "disk_full", "free some of the disk of its machine"),
    _saying(
        r"jinja exception|roles must alternate|template: .*executing|tool call arguments as JSON",
        "invalid_request_error",
        "the model's template does not take this conversation: change the order of the messages, or their roles",
    ),
    _saying(
        r"context size has been exceeded|too large to process",
        "context_length",
        LARGER,
    ),
    _saying(r"ollama cloud is disabled", "cloud_disabled", "the server was started with OLLAMA_NO_CLOUD"),
    _saying(r"reached your \w+ usage limit", "plan_limit"),
    _saying(r"^unauthorized$", "not_signed_in", "run `ollama signin` on the server's machine"),
    _saying(r"server busy", "overloaded", "it has too many models to load"),
    _saying(
        r"dial tcp|no such host|lookup [\w.-]+ on ",
        "registry_unreachable",
        "the server's machine cannot reach it; check its network, or its proxy (HTTPS_PROXY of the server)",
    ),
    _saying(r"error was encountered while running the model|llama(-server| runner) process", "runner_failed"),
)


def parse_error(status: int, headers: Headers, body: bytes) -> ProviderError:
    """The error of an answer whose status is one."""
    content_type = headers.get("content-type", "")
    if status in (404, 405) and content_type.startswith("text/plain"):
        failure = Failure(
            message=f"this server has no such endpoint ({body[:60].decode('utf-8', 'replace').strip()}); check that "
            "base_url is an Ollama server, and one new enough",
            codes=("no_such_endpoint",),
        )
    elif status == 403 and not body.strip():
        failure = Failure(
            message="the server refuses this host or origin; start it with OLLAMA_HOST=0.0.0.0, or allow the origin "
            "with OLLAMA_ORIGINS",
            codes=("foreign_host",),
        )
    else:
        failure = failure_in_body(body, status, lambda content: _read(content, status))
    error = ERRORS.error(_as_said(failure, status), status=status, body=body)
    error.request_id = next(filter(None, map(headers.get, REQUEST_ID_HEADERS)), None)
    return error


def error_in_answer(error: Any, line: str) -> ProviderError:
    """The error that stands as a line in an answer whose status was 200."""
    failure = _as_said(_failure_from(error), 500)
    return ERRORS.error(failure, status=500, body=line.encode(), inside=True)


def prompt_and_context(error: ProviderError) -> tuple[int | None, int | None]:
    """How many tokens the prompt has and how many fit, where a context error tells."""
    try:
        inner = _inner(json.loads(error.body or "").get("error")) or {}
    except (ValueError, AttributeError, RecursionError):
        inner = {}
    found = re.search(r"\((\d+) tokens\) exceeds the available context size \((\d+) tokens\)", str(error))
    said = (int(found[1]), int(found[2])) if found else (None, None)
    prompt, context = inner.get("n_prompt_tokens"), inner.get("n_ctx")
    return (prompt if isinstance(prompt, int) else said[0]), (context if isinstance(context, int) else said[1])


def _as_said(failure: Failure, status: int) -> Failure:
    # Ollama says 500 to much that is the caller's to mend; the status is believed, and the next step told.
    if status >= 500 and CODES.get(next(iter(failure.codes), "")) is BadRequestError:
        return msgspec.structs.replace(failure, codes=("refused",))
    return failure


def _read(content: Mapping[str, Any], status: int) -> Failure:
    if status == 401 and content.get("signin_url"):
        # The address holds a key of the server; it is not repeated.
        message = "the server is not signed in to ollama.com; run `ollama signin` on its machine"
        return Failure(message=message, codes=("not_signed_in",), error_type="unauthorized")
    return _failure_from(content.get("error", content))


def _failure_from(error: Any) -> Failure:
    inner = _inner(error)
    if inner is not None:
        failure = failure_in(inner)
        return msgspec.structs.replace(
            _understood(failure.message), error_type=failure.error_type, codes=_codes(failure)
        )
    if isinstance(error, str):
        return _understood(error)
    return failure_in(error)


def _inner(error: Any) -> Mapping[str, Any] | None:
    """The error object of llama.cpp, which Ollama passes on as text."""
    if not isinstance(error, str):
        return None
    start = error.find('{"error"')
    try:
        content = json.loads(error[start:]) if start >= 0 else None
    except (ValueError, RecursionError):
        return None
    inner = mapping(content).get("error")
    return inner if isinstance(inner, Mapping) else None


def _codes(failure: Failure) -> tuple[str, ...]:
    return (*failure.codes, *_understood(failure.message).codes)


def _understood(message: str) -> Failure:
    message = message.strip()
    for saying in SAYINGS:
        if found := saying.pattern.search(message):
            advice = saying.advice.format(**found.groupdict()) if found.groupdict() else saying.advice
            said = f"{message}; {advice}" if advice else message
            return Failure(message=said, codes=(saying.code,))
    return Failure(message=message)
