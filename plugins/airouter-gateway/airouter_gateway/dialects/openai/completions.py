"""``/v1/completions``, the API before chat: a text goes in, and what might follow comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import msgspec

from airouter_core.errors import ParameterError
from airouter_core.provider.asking import ask_of
from airouter_core.values.events import Finish, MetadataReported, StreamEvent, TextDelta, UsageReported
from airouter_core.values.folding import merge_metadata
from airouter_core.values.messages import Message
from airouter_core.values.response import Response
from airouter_core.values.usage import Usage

from ..beside import likelihoods
from ..fields import flag_of, given, model_of, object_in, object_of, rest, text_of
from ..question import Naming, Question
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
READ = (*PARAMETERS, "model", "prompt", "stream", "stream_options", "n", "logprobs")
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
    alternatives = said.get("logprobs")
    likely = {} if alternatives is None else {"logprobs": True, "top_logprobs": alternatives}
    native = {"top_logprobs": alternatives} if likely else {}
    parameters = given(said, *PARAMETERS)
    ask = ask_of(
        model_of(said),
        (Message.user(prompt),),
        parameters={**parameters, **likely},
        stream=stream,
        user=text_of(said, "user"),
    )
    return Question(
        ask=ask,
        native=FORMAT,
        own=own,
        for_native={"parameters": {**parameters, **native}},
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
        self._metadata: dict[str, Any] = {}

    def feed(self, event: StreamEvent) -> bytes:
        match event:
            case TextDelta() if event.text:
                return self._chunk(self._choice(event.text, None))
            case UsageReported():
                self._usage = event.usage
            case Finish():
                self._finish = event
            case MetadataReported():
                merge_metadata(self._metadata, event.provider_metadata)
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
        merge_metadata(self._metadata, response.provider_metadata)
        choice = self._choice(response.text, REASONS.get(response.finish_reason, "stop"))
        return encode({**self._identity, "choices": [choice], "usage": usage_of(response.usage)})

    def _choice(self, text: str, reason: str | None) -> dict[str, Any]:
        likely = None if reason is None else _in_columns(likelihoods(self._metadata))
        return {"text": text, "index": 0, "logprobs": likely, "finish_reason": reason}

    def _chunk(self, choice: dict[str, Any] | None, **more: Any) -> bytes:
        said = {**self._identity, "choices": [] if choice is None else [choice], **more}
        return b"data: " + encode(said) + b"\n\n"


def _in_columns(entries: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]] | None:
    """Log probabilities as this API has them: a list for each field."""
    if not entries:
        return None
    tokens = [entry["token"] for entry in entries]
    others = [{each["token"]: each["logprob"] for each in entry["top_logprobs"]} for entry in entries]
    return {
        "tokens": tokens,
        "token_logprobs": [entry["logprob"] for entry in entries],
        "top_logprobs": others,
        "text_offset": list(accumulate((len(token) for token in tokens[:-1]), initial=0)),
    }
