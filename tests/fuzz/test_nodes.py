"""Each node of each answer replaced: whatever a server puts in a place, values come out, or errors of ours."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from airouter_core.errors import AirouterError
from airouter_core.testing.recordings import Recording, load_recordings, pieces
from airouter_core.values.folding import fold
from airouter_core.values.response import Response
from airouter_core.wire.http import Operation, Wire

SHARED = pathlib.Path(__file__).parents[2].parent / "shared"
WORSE: list[Any] = [
    None,
    True,
    -1,
    0,
    1.5,
    10**40,
    "",
    "x",
    "\ud800",
    [],
    [None],
    [[]],
    {},
    {"a": None},
    [{"index": "x"}],
]
"""What is put in the place of a node."""

CHATS = {
    "openai-chat": ("recordings", "airouter_openai.wire", "CHAT"),
    "openai-responses": ("recordings", "airouter_openai.wire", "RESPONSES"),
    "openai-completions": ("recordings", "airouter_openai.completions", "COMPLETIONS"),
    "openrouter-chat": ("recordings", "airouter_openrouter.wire", "WIRE"),
    "anthropic-messages": ("recordings", "airouter_claude.provider", "ClaudeProvider.wire"),
    "llamacpp-chat": ("recordings", "airouter_llamacpp.wire", "WIRE"),
    "ollama-api": ("recordings", "airouter_ollama.wire", "WIRE"),
    "gemini-generate": ("recordings-more", "airouter_gemini.wire", "GENERATE"),
    "bedrock-converse": ("recordings-more", "airouter_bedrock.wire", "CONVERSE"),
    "cohere-chat-v2": ("recordings-more", "airouter_cohere.wire", "CHAT"),
}
OPERATIONS = {
    "openai-embeddings": ("recordings", "airouter_openai.wire", "EMBEDDINGS"),
    "openai-models": ("recordings", "airouter_openai.catalog", "MODELS"),
    "openai-moderations": ("recordings", "airouter_openai.moderation", "MODERATIONS"),
    "openai-images": ("recordings", "airouter_openai.images", "IMAGES"),
    "anthropic-count-tokens": ("recordings", "airouter_claude.wire", "COUNT_TOKENS"),
    "anthropic-models": ("recordings", "airouter_claude.wire", "MODEL_PAGE"),
    "openrouter-embeddings": ("recordings", "airouter_openrouter.media", "EMBEDDINGS"),
    "openrouter-models": ("recordings", "airouter_openrouter.models", "MODELS"),
}
SMALL, LARGEST = 3000, 9000
"""Bytes of an answer, and of a list, beyond which it has too many nodes for a test."""


def found(kind: str, places: dict[str, tuple[str, str, str]]) -> tuple[Any, list[Recording]]:
    """What reads answers of this kind, and a few small ones of them."""
    folder, module, name = places[kind]
    if not (SHARED / folder / kind).is_dir():
        pytest.skip(f"no recordings at {SHARED / folder}")
    reads: Any = pytest.importorskip(module, reason="the plugin is not installed")
    for step in name.split("."):
        if not hasattr(reads, step):
            pytest.skip(f"{module} has no {name}")
        reads = getattr(reads, step)
    most = SMALL if places is CHATS else LARGEST
    recordings = [recording for recording in load_recordings(SHARED / folder, kind) if len(recording.body) < most]
    return reads, [*select(recordings, stream=True), *select(recordings, stream=False)]


def select(recordings: list[Recording], *, stream: bool) -> list[Recording]:
    """The richest of the small answers."""
    some = [recording for recording in recordings if recording.stream is stream]
    return sorted(some, key=lambda recording: -len(recording.body))[:2]


def damaged(value: Any) -> Iterator[Any]:
    """The value with each of its nodes replaced, one at a time, by each of what is worse."""
    yield from WORSE
    if isinstance(value, dict):
        for name, item in value.items():
            yield {key: other for key, other in value.items() if key != name}
            yield from ({**value, name: worse} for worse in damaged(item))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from ([*value[:index], worse, *value[index + 1 :]] for worse in damaged(item))


def damaged_bodies(body: bytes, *, stream: bool) -> Iterator[bytes]:
    """The body with each node of its JSON, or of each event's, replaced."""
    if not stream:
        for value in damaged(json.loads(body)):
            yield json.dumps(value).encode()
        return
    lines = body.split(b"\n")
    for number, line in enumerate(lines):
        mark, brace, rest = line.partition(b"{")
        try:
            content = json.loads(brace + rest)
        except ValueError:
            continue
        for value in damaged(content):
            yield b"\n".join([*lines[:number], mark + json.dumps(value).encode(), *lines[number + 1 :]])


def check(response: Response) -> None:
    """What every answer must be good for, whoever made it."""
    assert isinstance(response.text, str)
    response.text.encode()
    assert all(isinstance(call.id, str) and isinstance(call.name, str) for call in response.tool_calls)
    for count in (response.usage.input_tokens, response.usage.output_tokens):
        assert count is None or count >= 0
    hash(response.finish_reason)
    msgspec.structs.asdict(response)


@pytest.mark.parametrize("kind", CHATS)
def test_each_node_of_an_answer(kind: str) -> None:
    """Streams and bodies: a response, or an error of ours."""
    reads, recordings = found(kind, CHATS)
    wire: Wire = reads
    assert recordings
    for recording in recordings:
        stream = bool(recording.stream)
        for body in damaged_bodies(recording.body, stream=stream):
            try:
                if stream:
                    parser = wire.open_stream()
                    events = [event for piece in pieces(body, 512) for event in parser.feed(piece)]
                    check(fold([*events, *parser.close()]))
                else:
                    check(fold(wire.parse_body(body)))
            except AirouterError:
                pass
            except Exception as error:
                raise AssertionError(f"{recording.id}: {type(error).__name__}: {error} of {body[:2000]!r}") from error


@pytest.mark.parametrize("kind", OPERATIONS)
def test_each_node_of_what_an_operation_answers(kind: str) -> None:
    """Embeddings, models and the like: a value, or an error of ours."""
    reads, recordings = found(kind, OPERATIONS)
    operation: Operation[Any] = reads
    assert recordings
    for recording in recordings:
        for body in damaged_bodies(recording.body, stream=False):
            try:
                operation.parse(body)
            except AirouterError:
                pass
            except Exception as error:
                raise AssertionError(f"{recording.id}: {type(error).__name__}: {error} of {body[:2000]!r}") from error


@pytest.mark.parametrize("kind", CHATS)
def test_each_node_of_a_failure(kind: str) -> None:
    """The body of a failure: always an error of ours, whatever stands in it."""
    reads, _ = found(kind, CHATS)
    wire: Wire = reads
    details = [{"@type": "x", "retryDelay": "3s"}]
    said = {
        "error": {"message": "no", "type": "t", "code": 1, "details": details, "metadata": {"raw": "{}"}},
        "request_id": "r",
    }
    for status in (400, 429, 503):
        for value in damaged(said):
            error = wire.parse_error(status, {}, json.dumps(value).encode())
            assert isinstance(error, AirouterError)
            assert isinstance(str(error), str)
            assert error.retry_after is None or error.retry_after >= 0
