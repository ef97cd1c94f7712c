"""What the kit does not read in recordings of this service: hidden parts, other endpoints, and requests built again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from airouter_bedrock.blocks import FORMATS
from airouter_bedrock.config import BedrockConfig
from airouter_bedrock.plugin import BEDROCK
from airouter_bedrock.profile import family_of
from airouter_bedrock.provider import BedrockProvider
from airouter_bedrock.wire import CONVERSE
from airouter_core.errors import AirouterError, BadRequestError, ModelNotFoundError
from airouter_core.provider.asking import ask_of
from airouter_core.testing.recordings import Recording, ReplayServer, difference, load_recordings, pieces, wire_events
from airouter_core.values.ask import Ask
from airouter_core.values.folding import fold
from airouter_core.values.messages import (
    FilePart,
    Message,
    Part,
    ProviderPart,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from airouter_core.values.request import Request
from airouter_core.values.response import Response
from airouter_core.values.tokens import estimate_tokens
from airouter_core.values.tools import ResponseFormat, Tool, ToolChoice

SHARED = Path(__file__).parents[4] / "shared" / "recordings-more"
CONVERSATIONS = load_recordings(SHARED, "bedrock-converse")
OTHERS = load_recordings(SHARED, "bedrock-other")
ANSWERS = [one for one in CONVERSATIONS if one.is_answer]
pytestmark = pytest.mark.skipif(not CONVERSATIONS, reason=f"there are no recordings in {SHARED}")

CONFIG = BedrockConfig(api_key="bedrock-key", region="us-east-1")
PROVIDER = BedrockProvider(CONFIG, BEDROCK)
TYPES = {(kind, name): media_type for media_type, (kind, name) in reversed(FORMATS.items())}
MODES: Mapping[str, Any] = {"auto": "auto", "any": "required"}


def outcome(recording: Recording, size: int) -> Response | AirouterError:
    try:
        return fold(wire_events(CONVERSE, recording, lambda data: pieces(data, size)))
    except AirouterError as error:
        return error


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_recordings_cut_small(size: int) -> None:
    """Every recorded answer is read as the vendor's client reads it, in pieces of any size."""
    found = {recording.id: difference(recording, outcome(recording, size)) for recording in CONVERSATIONS}
    assert {name: problems for name, problems in found.items() if problems} == {}


def own(part: Part) -> Mapping[str, Any]:
    return getattr(part, "provider_metadata", {}).get("bedrock", {})  # type: ignore[no-any-return]  # a mapping, here


@pytest.mark.parametrize("recording", ANSWERS, ids=lambda one: one.id)
def test_hidden_parts(recording: Recording) -> None:
    """Signatures, hidden thoughts, citations and tools that the service runs are there; so are trace and metrics."""
    expected = recording.expected or {}
    response = fold(wire_events(CONVERSE, recording))
    parts = response.message.parts
    thoughts = [own(part) for part in parts if isinstance(part, ReasoningPart)]
    assert len([one for one in thoughts if one.get("signature")]) == (expected.get("reasoning_signatures") or 0)
    assert len([one for one in thoughts if one.get("redactedContent")]) == (expected.get("reasoning_redacted") or 0)
    assert sum(len(own(part).get("citations", ())) for part in parts) == cited(expected)
    values = [part.value for part in parts if isinstance(part, ProviderPart)]
    calls = [value["toolUse"] for value in values if "toolUse" in value]
    wanted = [(call["name"], call["id"]) for call in expected.get("server_tool_calls") or []]
    assert [(call["name"], call["toolUseId"]) for call in calls] == wanted
    assert len([value for value in values if "toolResult" in value]) == (expected.get("server_tool_results") or 0)
    told = response.provider_metadata.get("bedrock", {})
    assert "latencyMs" in told["metrics"]
    assert sorted(told.get("trace", {})) == sorted(expected.get("trace") or [])
    for name, value in (expected.get("usage_raw") or {}).items():
        assert response.usage.raw.get(name, value) == value


def cited(expected: Mapping[str, Any]) -> int:
    citations = expected.get("citations") or ()
    return citations if isinstance(citations, int) else len(citations)


# Requests, taken apart into our values and built again.


def part_of(block: Mapping[str, Any]) -> Part:
    ((kind, value),) = block.items()
    match kind:
        case "text":
            return TextPart(value)
        case "toolUse":
            return ToolCallPart(value["toolUseId"], value["name"], json.dumps(value["input"]))
        case "toolResult":
            content = [part_of(one) for one in value["content"]]
            if any(isinstance(one, ProviderPart) for one in content) or value.get("status") == "success":
                more = {name: value[name] for name in ("content", "status") if name in value}
                return ToolResultPart(value["toolUseId"], (), provider_metadata={"bedrock": more})
            return ToolResultPart(value["toolUseId"], content, is_error=value.get("status") == "error")  # type: ignore[arg-type]
        case "reasoningContent" if "reasoningText" in value:
            said = value["reasoningText"]
            return ReasoningPart(said["text"], {"bedrock": {"signature": said["signature"]}})
        case "image" | "document" if "text" not in value["source"]:
            return file_of(kind, value)
        case _:
            return ProviderPart("bedrock", dict(block))


def file_of(kind: str, value: Mapping[str, Any]) -> FilePart:
    media_type, source = TYPES[kind, value["format"]], value["source"]
    more = {"bedrock": {name: value[name] for name in value if name not in ("format", "name", "source")}}
    name = value.get("name")
    if "s3Location" in source:
        return FilePart(media_type, url=source["s3Location"]["uri"], name=name, provider_metadata=more)
    made = FilePart.from_data(source["bytes"], media_type=media_type, name=name)
    return FilePart(media_type, made.data, name=name, provider_metadata=more)


def arguments_of(recording: Recording) -> Ask:
    """The call that a recorded body stands for, in our values."""
    sent = dict(recording.request["json"])
    said = [Message("system", tuple(part_of(block) for block in sent.pop("system", ())))]
    for message in sent.pop("messages"):
        parts = tuple(map(part_of, message["content"]))
        results = tuple(part for part in parts if isinstance(part, ToolResultPart))
        said += [Message("tool", results), Message(message["role"], tuple(one for one in parts if one not in results))]
    limits = sent.pop("inferenceConfig", {})
    names = {"maxTokens": "max_tokens", "temperature": "temperature", "topP": "top_p", "stopSequences": "stop"}
    tools = [one["toolSpec"] for one in sent.get("toolConfig", {}).get("tools", ()) if "toolSpec" in one]
    others = [one for one in sent.get("toolConfig", {}).get("tools", ()) if "toolSpec" not in one]
    choice = sent.pop("toolConfig", {}).get("toolChoice")
    wanted = sent.pop("outputConfig", {}).get("textFormat", {}).get("structure", {}).get("jsonSchema")
    options = {**sent, **({"toolConfig": {"tools": others}} if others else {})}
    return ask_of(
        model=unquote(recording.request["path"].split("/")[2]),
        messages=tuple(message for message in said if message.parts),
        parameters={names[name]: value for name, value in limits.items()},
        tools=tuple(
            Tool(one["name"], one.get("description"), one["inputSchema"]["json"], one.get("strict")) for one in tools
        ),
        tool_choice=choice_of(choice) if choice and tools else None,
        response_format=wanted
        and ResponseFormat(
            "json_schema", json.loads(wanted["schema"]), wanted["name"], description=wanted.get("description")
        ),
        provider_options={"bedrock": options},
    )


def choice_of(choice: Mapping[str, Any]) -> ToolChoice:
    ((mode, value),) = choice.items()
    return ToolChoice("tool", value["name"]) if mode == "tool" else ToolChoice(MODES[mode])


def normal(value: Any) -> Any:
    """A body without what says nothing: empty objects and lists, roles that follow themselves, spelling of schemas."""
    if isinstance(value, dict):
        made = {name: normal(item) for name, item in value.items()}
        if isinstance(made.get("schema"), str):
            made["schema"] = json.loads(made["schema"])
        keep = {"auto", "any", "properties", "json", "content", "input"}
        return {name: item for name, item in made.items() if item not in ({}, []) or name in keep}
    return [normal(item) for item in value] if isinstance(value, list) else value


def merged(sent: Mapping[str, Any]) -> dict[str, Any]:
    turns: list[dict[str, Any]] = []
    for message in sent["messages"]:
        blocks = [block for block in message["content"] if block.get("text", "x").strip()]
        if turns and turns[-1]["role"] == message["role"]:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": message["role"], "content": blocks})
    return {**sent, "messages": turns}


def is_whole(recording: Recording) -> bool:
    """Whether the service took what was sent, which our rules may be measured by."""
    return recording.status < 400


@pytest.mark.filterwarnings("ignore::airouter_core.errors.UnsupportedParameterWarning")
@pytest.mark.parametrize("recording", [one for one in CONVERSATIONS if is_whole(one)], ids=lambda one: one.id)
def test_recorded_request_is_built_again(recording: Recording) -> None:
    """A body that the service took is the body that its parts, as our values, are sent as, at the same address."""
    prepared = PROVIDER.prepare(arguments_of(recording))
    request, known = prepared.request, prepared.known
    built = CONVERSE.build_request(request, CONFIG, stream=recording.stream)
    wanted = normal(merged(recording.request["json"]))
    got = normal(json.loads(built.body or b""))
    for receipt in known["parameters"]:
        if receipt.outcome == "omitted":  # a model that thinks takes no other temperature than 1, and ignored this one
            assert family_of(request.model).budget
            del wanted["inferenceConfig"][receipt.name]
    assert got == normal(wanted)
    assert unquote(built.url.partition(".com")[2]) == unquote(recording.path)


@pytest.mark.parametrize("recording", ANSWERS, ids=lambda one: one.id)
def test_answer_survives_being_sent_back(recording: Recording) -> None:
    """An answer put into the history is sent back block for block: signed thoughts, calls, searches and citations."""
    if recording.stream:
        pytest.skip("the blocks of a stream are in no recording")
    message = fold(wire_events(CONVERSE, recording)).message
    request = Request(model="m", messages=(Message.user("?"), message, Message.user("go on")))
    sent = json.loads(CONVERSE.build_request(request, CONFIG, stream=False).body or b"")["messages"]
    blocks = json.loads(recording.body)["output"]["message"]["content"]
    wanted = [block for block in map(plain, blocks) if block is not None]
    assert (sent[1]["content"] if len(sent) == 3 else []) == wanted


def plain(block: dict[str, Any]) -> dict[str, Any] | None:
    """A block as it goes back: calls without the type of usual ones, thoughts only with a signature, no blank text."""
    if block.get("toolUse", {}).get("type") == "tool_use":
        return {"toolUse": {name: value for name, value in block["toolUse"].items() if name != "type"}}
    thought = block.get("reasoningContent", {}).get("reasoningText")
    blank = "text" in block and not block["text"].strip()
    return None if blank or (thought is not None and "signature" not in thought) else block


# Other endpoints.


@pytest.fixture(scope="module")
def server() -> Iterator[ReplayServer]:
    with ReplayServer(OTHERS) as running:
        yield running


def provider_at(server: ReplayServer, recording: Recording) -> BedrockProvider:
    config = BedrockConfig(api_key="bedrock-key", base_url=server.address(recording), max_retries=0)
    return BedrockProvider(config, BEDROCK)


@pytest.mark.parametrize("recording", OTHERS, ids=lambda one: one.id)
def test_other_endpoints(server: ReplayServer, recording: Recording) -> None:
    """Counts of tokens and embeddings are read; where the service does not count, the count is the estimate."""
    model = unquote(recording.request["path"].split("/")[2])
    with provider_at(server, recording) as provider:
        if recording.path.endswith("/invoke"):
            vector = provider.create_embedding("Hello, world!", model)
            answer = json.loads(recording.body)
            assert vector == answer.get("embedding") or answer["embeddings"][0]["embedding"]
        elif recording.status < 400:
            assert provider.count_tokens("Hello", model) == (recording.expected or {})["input_tokens"]
        elif b"support counting tokens" in recording.body:
            assert provider.count_tokens("Hello", model) == estimate_tokens("Hello")
        else:
            wrong = ModelNotFoundError if b"identifier is invalid" in recording.body else BadRequestError
            with pytest.raises(wrong):
                provider.count_tokens("Hello", model)
