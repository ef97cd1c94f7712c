"""``/v1/completions``, the API before chat: a text goes in, and what might follow comes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from airouter_core.errors import ParameterError
from airouter_core.provider.asking import ask_of
from airouter_core.values.events import Finish, StreamEvent, TextDelta, UsageReported
from airouter_core.values.messages import Message
from airouter_core.values.response import Response
from airouter_core.values.usage import Usage

from ..question import Naming, Question, flag_of, given, model_of, object_in, object_of, rest, text_of
from ..refusals import Refusal
from .chat_writer import REASONS, usage_of
from .refused import error_of

encode = msgspec.json.encode
FORMAT = "completions"
PARAMETERS = (
    "temperature",
    "top_p",
    "max_tokens",
    "stop",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
)
READ = (*PARAMETERS, "model", "prompt", "stream", "stream_options", "n")
BETWEEN = ("suffix", "echo")
"""What changes the meaning of the prompt: whoever cannot take it must not be asked without."""


def read_completions(body: bytes, headers: Mapping[str, str]) -> Question:
    """A question from a body.

    Raises:
        ParameterError: it is none, or asks for more than one answer.
    """
    said = object_of(body)
    if said.get("n") not in (None, 1):
        raise ParameterError("n must be 1: this server gives one answer to a question")
    prompt = said.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        (prompt,) = prompt
    if not isinstance(prompt, str) or not prompt:
        raise ParameterError("prompt must be one text: this server reads no tokens, and answers one at a time")
    own = {name: value for name, value in rest(said, *READ).items() if value not in (False, "")}
    stream = flag_of(said, "stream")
    ask = ask_of(
        model_of(said),
        (Message.user(prompt),),
        parameters=given(said, *PARAMETERS),
        stream=stream,
        user=text_of(said, "user"),
    )
    return Question(
        ask=ask,
        native=FORMAT,
        own=own,
        only_native=tuple(name for name in BETWEEN if name in own),
        include_usage=stream and flag_of(object_in(said, "stream_options"), "include_usage"),
        said=said,
    )


class CompletionsWriter:
    """Writes one answer."""

    def __init__(self, question: Question, naming: Naming) -> None:
        self._identity = {"id": f"cmpl-{naming.id}", "object": "text_completion", "created": naming.created}
        self._identity["model"] = naming.model
        self._include_usage = question.include_usage
        self._finish: Finish | None = None
        self._usage: Usage | None = None

    def feed(self, event: StreamEvent) -> bytes:
        match event:
            case TextDelta() if event.text:
                return self._chunk(self._choice(event.text, None))
            case UsageReported():
                self._usage = event.usage
            case Finish():
                self._finish = event
        return b""

    def end(self, seconds: float) -> bytes:
        reason = REASONS.get(self._finish.finish_reason if self._finish else None, "stop")
        written = self._chunk(self._choice("", reason))
        if self._include_usage:
            written += self._chunk(None, usage=usage_of(self._usage))
        return written + b"data: [DONE]\n\n"

    def failure(self, refusal: Refusal) -> bytes:
        return b"data: " + encode({"error": error_of(refusal)}) + b"\n\n"

    def whole(self, response: Response, seconds: float) -> bytes:
        choice = self._choice(response.text, REASONS.get(response.finish_reason, "stop"))
        return encode({**self._identity, "choices": [choice], "usage": usage_of(response.usage)})

    def _choice(self, text: str, reason: str | None) -> dict[str, Any]:
        return {"text": text, "index": 0, "logprobs": None, "finish_reason": reason}

    def _chunk(self, choice: dict[str, Any] | None, **more: Any) -> bytes:
        said = {**self._identity, "choices": [] if choice is None else [choice], **more}
        return b"data: " + encode(said) + b"\n\n"
