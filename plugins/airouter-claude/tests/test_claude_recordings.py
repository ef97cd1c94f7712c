"""What the kit does not read in the recordings of this API: blocks, models, token counts, the vendor's own fixtures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airouter_claude.parts import messages_of
from airouter_claude.provider import ClaudeProvider
from airouter_claude.wire import messages_wire
from airouter_core import create_provider
from airouter_core.errors import AirouterError, ModelNotFoundError
from airouter_core.testing.recordings import (
    Recording,
    ReplayServer,
    difference,
    load_recordings,
    pieces,
    wire_events,
)
from airouter_core.values.folding import fold
from airouter_core.values.messages import ProviderPart, ReasoningPart, TextPart
from airouter_core.values.response import Response

SHARED = Path(__file__).parents[4] / "shared"
FIXTURES = SHARED / "specs" / "fixtures" / "anthropic"
MESSAGES = load_recordings(SHARED / "recordings", "anthropic-messages")
MODELS = load_recordings(SHARED / "recordings", "anthropic-models")
COUNTS = load_recordings(SHARED / "recordings", "anthropic-count-tokens")
pytestmark = pytest.mark.skipif(not MESSAGES, reason=f"there are no recordings in {SHARED}")

WIRE = messages_wire()
CUTS = {
    "by 1": lambda data: pieces(data, 1),
    "by 2": lambda data: pieces(data, 2),
    "by 3": lambda data: pieces(data, 3),
    "by 7": lambda data: pieces(data, 7),
    "anywhere": lambda data: pieces(data, seed=11),
}


@pytest.fixture(scope="module")
def server() -> Iterator[ReplayServer]:
    """All recordings on loopback, their bodies cut anywhere."""
    with ReplayServer((*MESSAGES, *MODELS, *COUNTS), cut=CUTS["anywhere"]) as running:
        yield running


def provider_at(server: ReplayServer, recording: Recording) -> ClaudeProvider:
    config = {"base_url": server.address(recording), "api_key": "sk-ant-test", "max_retries": 0}
    made = create_provider("claude", config)
    assert isinstance(made, ClaudeProvider)
    return made


def outcome_of(call: Any) -> Response | AirouterError:
    try:
        response: Response = call()
    except AirouterError as error:
        return error
    return response


@pytest.mark.parametrize("recording", [one for one in MESSAGES if one.is_answer], ids=lambda one: one.id)
def test_blocks(recording: Recording) -> None:
    """Blocks keep their order and kind; citations, hidden thoughts and the vendor's own tools are all there."""
    expected = recording.expected or {}
    response = fold(wire_events(WIRE, recording))
    kinds = [kind_of(part) for part in response.message.parts]
    assert [kind for kind in kinds if kind != "text"] == [kind for kind in expected["block_types"] if kind != "text"]
    cited = [
        citation
        for part in response.message.parts
        if isinstance(part, TextPart)
        for citation in part.provider_metadata.get("claude", {}).get("citations", [])
    ]
    assert len(cited) == len(expected.get("citations") or [])
    own = [part.value for part in response.message.parts if isinstance(part, ProviderPart)]
    called = [(block["name"], block["input"]) for block in own if "input" in block]
    assert called == [(call["name"], call["arguments"]) for call in expected.get("server_tool_calls") or []]
    if expected.get("stop_sequence"):
        assert response.provider_metadata["claude"]["stop_sequence"] == expected["stop_sequence"]
    for name, value in (expected.get("usage_raw") or {}).items():
        if value is not None and name in response.usage.raw:
            assert response.usage.raw[name] == value


def kind_of(part: Any) -> str:
    if isinstance(part, ProviderPart):
        return str(part.value["type"])
    if isinstance(part, ReasoningPart):
        return str(part.provider_metadata.get("claude", {}).get("type", "thinking"))
    return "text" if isinstance(part, TextPart) else "tool_use"


@pytest.mark.parametrize("recording", MODELS, ids=lambda one: one.id)
def test_models(recording: Recording, server: ReplayServer) -> None:
    """Models are listed in the vendor's order, with their limits where it tells them."""
    with provider_at(server, recording) as provider:
        if recording.expected_error:
            assert difference(recording, outcome_of(provider.list_models)) == []
            return
        listed = provider.list_models()
        said = {entry["id"]: entry for entry in json.loads(recording.body)["data"]}
        assert [model.id for model in listed] == (recording.expected or {})["models"]
        for model in listed:
            assert model.context_length == said[model.id].get("max_input_tokens")
            assert model.max_output_tokens == said[model.id].get("max_tokens")
            assert model.created is not None
            assert provider._facts_of(model.id).max_output is not None


@pytest.mark.parametrize("recording", COUNTS, ids=lambda one: one.id)
def test_count_tokens(recording: Recording, server: ReplayServer) -> None:
    """Tokens are counted by the vendor, for all that a call sends."""
    sent = recording.request["json"]
    tools = {"claude": {"tools": sent.get("tools") or []}}
    with provider_at(server, recording) as provider:
        ask = lambda: provider.count_request_tokens(  # noqa: E731  # called in two ways below
            sent["model"], messages_of(sent["messages"]), provider_options=tools
        )
        if recording.expected_error:
            with pytest.raises(ModelNotFoundError):
                ask()
        else:
            assert ask() == (recording.expected or {})["input_tokens"]


def fixture_events(name: str) -> Iterator[Any]:
    data = (FIXTURES / name).read_bytes()
    if name.endswith(".chunks.txt"):
        data = b"".join(b"data: " + line + b"\n\n" for line in data.splitlines())
    if name.endswith(".json"):
        yield from WIRE.parse_body(data)
        return
    parser = WIRE.open_stream()
    for piece in pieces(data, 5):
        yield from parser.feed(piece)
    yield from parser.close()


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("basic_response.txt", "Hello there!", "end_turn"),
        ("refusal_response.txt", "", "refusal"),
        ("unknown_events_response.txt", "Hello there!", "end_turn"),
        ("message_delta_omitted_usage_response.txt", "Hello there!", "end_turn"),
        ("vercel.duplicate-message-start.chunks.txt", "Hello, World!", "end_turn"),
        ("vercel.anthropic-refusal.json", "", "refusal"),
    ],
)
def test_fixture(name: str, text: str, reason: str) -> None:
    """Streams of the vendor's own test suite: unknown events, a ping after the end, a doubled beginning."""
    response = fold(fixture_events(name))
    assert (response.text, response.raw_finish_reason) == (text, reason)


def test_fixture_of_invalid_arguments() -> None:
    """Arguments that are no JSON are kept as the model wrote them."""
    response = fold(fixture_events("tool_use_invalid_json_response.txt"))
    with pytest.raises(AirouterError, match="no valid JSON"):
        _ = response.tool_calls[0].arguments
