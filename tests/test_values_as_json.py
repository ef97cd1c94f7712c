"""Values that go to JSON, through pickle, and come back: what ledgers, gateways and journals rest on."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import pickle
from decimal import Decimal
from typing import Any, get_args

import msgspec
import pytest

from airouter_core.errors import AirouterError
from airouter_core.testing.recordings import load_recordings, wire_events
from airouter_core.values import events as e
from airouter_core.values.folding import fold
from airouter_core.values.messages import (
    FilePart,
    Message,
    Part,
    ProviderPart,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from airouter_core.values.request import Request
from airouter_core.values.response import ParameterReceipt, Response
from airouter_core.values.tools import ResponseFormat, Tool, ToolChoice
from airouter_core.values.usage import Cost, Usage

KEPT = {"p": {"sign": "c2ln", "list": [1, {"a": None}]}}
PARTS: list[Part] = [
    TextPart("a", KEPT),
    ReasoningPart("", KEPT),
    RefusalPart("no"),
    FilePart("image/png", data=b"\x00\xff", name="a.png", detail="low", provider_metadata=KEPT),
    FilePart("image/*", url="https://example.com/a"),
    ToolCallPart("c", "f", '{"a": ', KEPT),
    ToolResultPart("c", [TextPart("x"), FilePart("image/png", data=b"x")], name="f", is_error=True),
    ProviderPart("p", {"type": "own"}),
]
EVENTS: list[e.StreamEvent] = [
    e.StreamStart("m", "i", "r"),
    e.TextDelta("a\N{LLAMA}"),
    e.ReasoningDelta("b"),
    e.RefusalDelta("c"),
    e.PartEnd(KEPT),
    *map(e.PartAdded, PARTS),
    e.ToolCallStart(0, "c", "f"),
    e.ToolCallDelta(0, "{"),
    e.ToolCallEnd(0, KEPT),
    e.UsageReported(Usage(1, 2, None, 0, 3, {"own": {"x": 1.5}})),
    e.CostReported(Cost(Decimal("0.0000012"), "provider")),
    e.MetadataReported(KEPT),
    e.Warned("careful"),
    e.Finish("stop", "end"),
    e.Alternative(1, e.TextDelta("b")),
]


def survives(value: Any, kind: Any) -> bool:
    """Whether a value is the same after JSON, and after pickle."""
    written = msgspec.json.encode(value)
    return msgspec.json.decode(written, type=kind) == value == pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("event", EVENTS, ids=repr)
def test_each_event_survives(event: e.StreamEvent) -> None:
    """Read as an event, without being told which."""
    assert survives(event, e.StreamEvent)


def test_no_event_and_no_part_was_forgotten() -> None:
    """Each kind of both is tried here."""
    assert {type(event) for event in EVENTS} == set(get_args(e.StreamEvent))
    assert {type(part) for part in PARTS} == set(get_args(Part))


def test_a_message_and_a_request_survive() -> None:
    """With parts of every kind, tools, a form, and parameters."""
    messages = (Message("user", "hi", name="ada"), Message("assistant", tuple(PARTS), provider_metadata=KEPT))
    assert survives(messages[1], Message)
    request = Request(
        model="m",
        messages=messages,
        tools=(Tool("f", "does", strict=True),),
        tool_choice=ToolChoice("tool", "f"),
        response_format=ResponseFormat("json_schema", {"type": "object"}),
        parameters={"temperature": 0, "stop": ["a"]},
        provider_options={"x": [1]},
    )
    assert survives(request, Request)


@dataclasses.dataclass
class City:
    name: str


def test_a_response_survives_and_is_a_dict() -> None:
    """A whole answer with all that is known about it; an instance in it is told by its fields."""
    whole = [event for event in EVENTS if not isinstance(event, e.Alternative)]
    made = fold([*whole, e.Alternative(1, e.TextDelta("b")), e.Alternative(1, e.Finish("length"))], provider="p")
    receipt = ParameterReceipt("stop", "stop", ["a"], "sent", "stop", ["a"])
    response = msgspec.structs.replace(made, parameters=(receipt,), warnings=("w",), parsed={"name": "Rome"})
    assert survives(response, Response)
    assert msgspec.convert(response.to_dict(), Response) == response
    told = msgspec.structs.replace(response, parsed=City("Rome")).to_dict()
    assert json.loads(json.dumps(told)) == json.loads(json.dumps(response.to_dict()))
    assert told["message"]["parts"][0]["type"] == "TextPart"


SHARED = pathlib.Path(__file__).parents[1].parent / "shared"
WIRES = {
    "openai-chat": ("recordings", "airouter_openai.wire", "CHAT"),
    "openai-responses": ("recordings", "airouter_openai.wire", "RESPONSES"),
    "openrouter-chat": ("recordings", "airouter_openrouter.wire", "WIRE"),
    "anthropic-messages": ("recordings", "airouter_claude.provider", "ClaudeProvider.wire"),
    "llamacpp-chat": ("recordings", "airouter_llamacpp.wire", "WIRE"),
    "mistral-chat": ("recordings-more", "airouter_openai.wire", "CHAT"),
    "groq-chat": ("recordings-more", "airouter_openai.wire", "CHAT"),
}


@pytest.mark.parametrize("kind", WIRES)
def test_recorded_answers_survive(kind: str) -> None:
    """The events of each recorded answer, and what they add up to."""
    folder, module, name = WIRES[kind]
    if not (SHARED / folder / kind).is_dir():
        pytest.skip(f"no recordings at {SHARED / folder}")
    wire: Any = pytest.importorskip(module, reason="the plugin is not installed")
    for step in name.split("."):
        wire = getattr(wire, step)
    seen = 0
    for recording in load_recordings(SHARED / folder, kind):
        try:
            events = list(wire_events(wire, recording))
            response = fold(events)
        except AirouterError:
            continue
        seen += 1
        assert msgspec.json.decode(msgspec.json.encode(events), type=list[e.StreamEvent]) == events, recording.id
        assert survives(response, Response), recording.id
    assert seen > 10
