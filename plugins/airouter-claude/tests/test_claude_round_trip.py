"""Recorded requests, taken apart into our values and built again, block for block."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airouter_claude.config import ClaudeConfig
from airouter_claude.parts import messages_of, part_of
from airouter_claude.plugin import CLAUDE
from airouter_claude.provider import ClaudeProvider
from airouter_claude.wire import messages_wire
from airouter_core.provider.asking import ask_of
from airouter_core.testing.recordings import Recording, load_recordings, wire_events
from airouter_core.values.ask import Ask
from airouter_core.values.folding import fold
from airouter_core.values.messages import Message
from airouter_core.values.replaying import events_of
from airouter_core.values.request import Request
from airouter_core.values.tools import Tool, ToolChoice

SHARED = Path(__file__).parents[4] / "shared" / "recordings"
WIRE = messages_wire()
# A gateway may still have the models of the recordings that the vendor has retired since.
CONFIG = ClaudeConfig(api_key="sk-ant-test", base_url="https://gateway.example")
PROVIDER = ClaudeProvider(CONFIG, CLAUDE)
RECORDINGS = load_recordings(SHARED, "anthropic-messages")
NOT_THERE = pytest.mark.skipif(not RECORDINGS, reason=f"there are no recordings in {SHARED}")

PARAMETERS = {"temperature": "temperature", "top_p": "top_p", "top_k": "top_k", "stop_sequences": "stop"}
ELSEWHERE = {"model", "max_tokens", "messages", "system", "tools", "tool_choice", "stream", *PARAMETERS}
MODES = {"auto": "auto", "any": "required", "none": "none", "tool": "tool"}


def normal(value: Any) -> Any:
    """Two spellings of one thing made one: a string for one text block, missing fields for null and false ones."""
    if isinstance(value, dict):
        made = {
            name: normal(item)
            for name, item in value.items()
            if not (item is None or (name in ("is_error", "disable_parallel_tool_use", "stream") and item is False))
        }
        if isinstance(made.get("content"), str) and (made.get("role") or made.get("type") == "tool_result"):
            made["content"] = [{"type": "text", "text": made["content"]}]
        return made
    return [normal(item) for item in value] if isinstance(value, list) else value


def arguments_of(sent: dict[str, Any]) -> Ask:
    """The call that a recorded body stands for, in our values."""
    options = {name: value for name, value in sent.items() if name not in ELSEWHERE}
    parameters = {ours: sent[theirs] for theirs, ours in PARAMETERS.items() if theirs in sent}
    system = sent.get("system") or []
    blocks = [{"type": "text", "text": system}] if isinstance(system, str) else system
    lead = [Message("system", tuple(map(part_of, blocks)))] if blocks else []
    tools = sent.get("tools") or []
    plain = all(set(tool) <= {"name", "description", "input_schema", "strict"} for tool in tools)
    choice = sent.get("tool_choice")
    if not plain:
        options["tools"] = tools
    elif tools and choice and choice.get("disable_parallel_tool_use") is not None:
        parameters["parallel_tool_calls"] = not choice["disable_parallel_tool_use"]
    return ask_of(
        model=sent["model"],
        messages=(*lead, *messages_of(sent["messages"])),
        tools=tuple(Tool(**tool) for tool in tools) if plain else (),
        tool_choice=ToolChoice(MODES[choice["type"]], choice.get("name")) if choice else None,  # type: ignore[arg-type]
        parameters={"max_tokens": sent["max_tokens"], **parameters},
        provider_options={"claude": options},
    )


def one_turn(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a user says after results of tools is one turn with them, as the vendor merges it too."""
    made: list[dict[str, Any]] = []
    for message in messages:
        before = made[-1] if made else {"role": "", "content": []}
        answers = before["role"] == "user" and before["content"][-1:] and before["content"][-1]["type"] == "tool_result"
        if message["role"] == "user" and answers:
            made[-1] = {**before, "content": before["content"] + message["content"]}
        else:
            made.append(message)
    return made


def is_refused(recording: Recording) -> bool:
    return recording.status == 400


@NOT_THERE
@pytest.mark.parametrize("recording", [one for one in RECORDINGS if not is_refused(one)], ids=lambda one: one.id)
def test_recorded_request_is_built_again(recording: Recording) -> None:
    """A body that the vendor took is the body that its parts, as our values, are sent as."""
    sent = dict(recording.request["json"])
    if "tools" in sent and not sent["tools"]:
        del sent["tools"]
        sent.pop("tool_choice", None)
    request = PROVIDER.request_of(arguments_of(sent))
    built = json.loads(WIRE.build_request(request, CONFIG, stream=bool(sent.get("stream"))).body or b"")
    wanted = normal(sent)
    wanted["messages"] = one_turn(wanted["messages"])
    if isinstance(wanted.get("system"), str):
        wanted["system"] = [{"type": "text", "text": wanted["system"]}]
    if wanted.get("system") == [{"type": "text", "text": ""}]:
        del wanted["system"]  # says nothing, and newer versions refuse it
    if isinstance(built.get("system"), str):
        built["system"] = [{"type": "text", "text": built["system"]}]
    assert normal(built) == wanted


@NOT_THERE
@pytest.mark.parametrize("recording", [one for one in RECORDINGS if one.is_answer], ids=lambda one: one.id)
def test_answer_survives_being_sent_back(recording: Recording) -> None:
    """An answer put into the history is sent back with all its blocks: thoughts signed, searches and citations kept."""
    response = fold(wire_events(WIRE, recording))
    assert fold(events_of(response)).message == response.message
    model = recording.request["json"]["model"]
    request = Request(model=model, messages=(Message.user("?"), response.message, Message.user("go on")))
    sent = json.loads(WIRE.build_request(request, CONFIG, stream=False).body or b"")["messages"]
    types = [block["type"] for block in sent[1]["content"]] if len(sent) == 3 else []
    wanted = (recording.expected or {}).get("block_types") or []
    if not recording.stream:
        content = [block for block in json.loads(recording.body)["content"] if block.get("text") != ""]
        assert normal(sent[1]["content"] if len(sent) == 3 else []) == [
            {name: value for name, value in normal(block).items() if (name, value) != ("citations", [])}
            for block in content
        ]
    assert [kind for kind in types if kind != "text"] == [kind for kind in wanted if kind != "text"]
