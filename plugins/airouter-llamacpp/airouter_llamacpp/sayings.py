"""What llama-server says of a failure that is the caller's, whatever status it gives.

It answers 500 to much that will fail for ever: a conversation that the model's template refuses, a text larger than its
batch. Nothing but the sentence tells, so the sentence decides: such a request is not sent again, and the message says
what to change. Source: llama.cpp, tools/server and common/chat.cpp (0c1e57098), and answers of 0.5.0-dev and 0.7.0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from airouter_core.dialects.chat_completions.errors import failure_in
from airouter_core.errors import BadRequestError, ContextLengthError, ModelNotFoundError
from airouter_core.values.value import Value
from airouter_core.wire.failures import ErrorClass, Failure

CODES: Mapping[str, ErrorClass] = {
    "context_used_up": ContextLengthError,
    "batch_too_small": ContextLengthError,
    "no_such_model": ModelNotFoundError,
    "no_such_path": BadRequestError,
    "not_taken": BadRequestError,
    "template_refused": BadRequestError,
    "not_started_for_it": BadRequestError,
    "cannot_be_held": BadRequestError,
    "malformed": BadRequestError,
}
"""Codes of our own, since the server has none."""


class Saying(Value, frozen=True):
    """A sentence of the server, what it means, and what to do about it."""

    pattern: re.Pattern[str]
    code: str
    advice: str = ""


def _saying(pattern: str, code: str, advice: str = "") -> Saying:
    return Saying(re.compile(pattern, re.IGNORECASE), code, advice)


SAYINGS: tuple[Saying, ...] = (
    _saying(
        r"context size has been exceeded|context shift is disabled|exceeds? the (available|max\w*) context|"
        r"larger than the (max )?context|too (big|large) compared to (the )?(KV|context)",
        "context_used_up",
    ),
    _saying(
        r"too large to process|physical batch size",
        "batch_too_small",
        "a text must fit into one batch of the server: start it with a larger --ubatch-size and --batch-size, or send "
        "a shorter text",
    ),
    _saying(
        r"input is not supported|does(n't| not) support (multimodal|audio|image)",
        "not_taken",
        "this model takes text only; with an mmproj file beside it, or named by the setting mmproj, it takes more",
    ),
    _saying(r"^model '[^']*' not found", "no_such_model"),
    _saying(r"^model name is missing", "malformed", "this server holds several models: name one"),
    _saying(
        r"^file not found",
        "no_such_path",
        "the server has no such path; check base_url, which is its address without any path, or with that of "
        "--api-prefix",
    ),
    _saying(
        r"requires? --jinja|^this server does not support|pooling type 'none'|this feature is disabled",
        "not_started_for_it",
    ),
    _saying(
        r"tool call arguments as JSON",
        "malformed",
        "the arguments of a tool call in the messages are no JSON, as in an answer that was cut; leave that call and "
        "its result out, or mend them",
    ),
    _saying(
        r"jinja exception|raise_exception|roles must alternate|system message must",
        "template_refused",
        "the model's own chat template does not take this conversation: change the order of the messages or their "
        "roles, or what of tools and formats it cannot show",
    ),
    _saying(
        r"^unable to generate parser|failed to (parse|initialize|process|build) (the )?(grammar|samplers|regex)|"
        r"json[- ]schema conversion|unrecognized schema|pattern must start with|both (json_schema and grammar|can be)|"
        r"custom grammar",
        "cannot_be_held",
        "llama.cpp makes no grammar of this schema or grammar; make it simpler, and give one of the two",
    ),
    _saying(
        r"failed to (load|decode|process) (image|audio|media|video)|must be base64|invalid base64",
        "malformed",
        "the picture or sound cannot be read; give a PNG, JPEG, WAV or MP3",
    ),
    _saying(
        r"json\.exception|^failed to parse (messages|tools)|^invalid (tool_choice|'content'|continue)|invalid tokens|"
        r"^tokenization failed|^(all non-)?assistant messages? must contain|^all non-assistant|"
        r"^['\"]\w+['\"] (is required|must be)|^expected '\w+' to be|^field '|payload too large",
        "malformed",
    ),
)
"""Looked through in this order; the first that is found decides."""


def read_failure(error: Any, around: Mapping[str, Any] | None = None) -> Failure:
    """Read an error object, and say whose fault it is."""
    return understood(failure_in(error, around))


def understood(failure: Failure) -> Failure:
    """The same failure, with what its sentence means."""
    for saying in SAYINGS:
        if saying.pattern.search(failure.message):
            said = f"{failure.message}; {saying.advice}" if saying.advice else failure.message
            return msgspec.structs.replace(failure, message=said, codes=(saying.code,), retryable=False)
    return failure
