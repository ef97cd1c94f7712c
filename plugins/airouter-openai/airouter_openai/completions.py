"""The API before chat: a text goes in, and what might follow comes out. For the few models that know no turns.

Its answers are chat completions with ``text`` in place of a delta, and are read as such.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import Any

import msgspec

from airouter_core.errors import UnsupportedFeatureError
from airouter_core.profile.losses import Loss
from airouter_core.profile.resolving import overlaid, place
from airouter_core.values.events import StreamEvent
from airouter_core.values.messages import FilePart
from airouter_core.values.request import Request
from airouter_core.wire.http import HttpRequest, StreamParser, json_request
from airouter_core.wire.json import decoded_object, encoded, items, mapping
from airouter_core.wire.sse import ServerSentEvent, SseDecoder

from .config import OpenAIConfig
from .plugin import OPENAI
from .profile import completions_support
from .wire import CHAT, headers


def prompt_of(request: Request) -> str:
    """The text to go on with: system and user messages, parted by blank lines.

    Raises:
        UnsupportedFeatureError: the request needs turns, tools, files or a form of the answer.
    """
    too_much = (
        request.tools
        or request.response_format is not None
        or any(message.role not in ("system", "user") for message in request.messages)
        or any(isinstance(part, FilePart) for message in request.messages for part in message.parts)
    )
    if too_much:
        raise UnsupportedFeatureError(
            f"{OPENAI.name}: {request.model} goes on with one text; turns, tools, files and forms need a chat model"
        )
    return "\n\n".join(message.text for message in request.messages)


def _build(request: Request, config: OpenAIConfig, *, stream: bool) -> HttpRequest:
    body: dict[str, Any] = {"model": request.model, "prompt": prompt_of(request)}
    place(body, request.parameters, request.rows)
    if stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    body = overlaid(body, request.provider_options)
    return json_request(config, "POST", "completions", body, headers=headers(config))


def _as_chat(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer, or a piece of one, with each text as a delta."""
    if "choices" not in answer:
        return answer
    return {**answer, "choices": [_choice(mapping(choice)) for choice in items(answer["choices"])]}


def _choice(choice: Mapping[str, Any]) -> dict[str, Any]:
    # The log probabilities of this API are columns, not a list of tokens.
    columns = mapping(choice.get("logprobs"))
    names = ("tokens", "token_logprobs", "top_logprobs")
    entries = zip_longest(*(items(columns.get(name)) for name in names))
    return {
        "index": choice.get("index"),
        "delta": {"content": choice.get("text")},
        "finish_reason": choice.get("finish_reason"),
        "logprobs": {"content": [_entry(*entry) for entry in entries]} if columns else None,
    }


def _entry(token: Any, likely: Any, others: Any) -> dict[str, Any]:
    top = [{"token": other, "logprob": logprob} for other, logprob in mapping(others).items()]
    return {"token": token, "logprob": likely, **({"top_logprobs": top} if top else {})}


def _parse_body(body: bytes) -> Iterable[StreamEvent]:
    return CHAT.parse_body(encoded(_as_chat(decoded_object(body))))


class _TextParser:
    """Reads a stream by saying it as chat to the parser of that."""

    def __init__(self) -> None:
        self._decoder = SseDecoder()
        self._chat: StreamParser = CHAT.open_stream()

    @property
    def done(self) -> bool:
        return self._chat.done

    def feed(self, data: bytes) -> Iterator[StreamEvent]:
        for frame in self._decoder.feed(data):
            yield from self._chat.feed(_said_as_chat(frame))

    def close(self) -> Iterator[StreamEvent]:
        for frame in self._decoder.close():
            yield from self._chat.feed(_said_as_chat(frame))
        yield from self._chat.close()


def _said_as_chat(frame: ServerSentEvent) -> bytes:
    done = frame.data.startswith("[DONE]")
    return b"data: %s\n\n" % (frame.data.encode() if done else encoded(_as_chat(decoded_object(frame.data))))


COMPLETIONS = msgspec.structs.replace(
    CHAT,
    build_request=_build,
    parse_body=_parse_body,
    open_stream=_TextParser,
    support=completions_support,
    lacks=frozenset(Loss),
    speaks="completions",
)
