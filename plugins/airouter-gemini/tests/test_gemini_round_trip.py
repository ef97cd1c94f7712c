"""Recorded requests, taken apart into our values and built again, part for part; and answers that are sent back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airouter_core.provider.asking import ask_of
from airouter_core.testing.recordings import Recording, load_recordings, wire_events
from airouter_core.values.ask import Ask
from airouter_core.values.folding import ResponseBuilder, fold
from airouter_core.values.messages import FilePart, Message, Part, ProviderPart, TextPart, ToolResultPart
from airouter_core.values.replaying import events_of
from airouter_core.values.request import Request
from airouter_core.values.tools import ResponseFormat, Tool, ToolChoice
from airouter_gemini.config import GeminiConfig
from airouter_gemini.parts import UNSIGNED, file_of
from airouter_gemini.plugin import GEMINI
from airouter_gemini.provider import GeminiProvider
from airouter_gemini.reader import CandidateReader
from airouter_gemini.wire import GENERATE

SHARED = Path(__file__).parents[4] / "shared" / "recordings-more"
RECORDINGS = load_recordings(SHARED, "gemini-generate", "vertex-generate")
NOT_THERE = pytest.mark.skipif(not RECORDINGS, reason=f"there are no recordings in {SHARED}")

PARAMETERS = {
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "maxOutputTokens": "max_tokens",
    "stopSequences": "stop",
    "seed": "seed",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
    "candidateCount": "n",
    "responseLogprobs": "logprobs",
}
MODES = {"AUTO": "auto", "ANY": "required", "NONE": "none"}
ANY_ROLE = "user"


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.title() for word in rest)


def normal(value: Any, *, schema: bool = False) -> Any:
    """Two spellings of one thing made one: both cases of names, and what is missing for what is null or empty."""
    if isinstance(value, dict):
        made = {}
        for name, item in value.items():
            if schema:
                made[name] = item
                continue
            key = camel(name)
            inner = key in ("args", "response", "parameters", "parametersJsonSchema", "responseSchema")
            inner = inner or key == "responseJsonSchema"
            made[key] = item if inner else normal(item)
        dropped = ("role",) if schema else ("thought",)
        return {
            name: item
            for name, item in made.items()
            if not (item is None or item == [] or (name in dropped and item is False))
        }
    return [normal(item) for item in value] if isinstance(value, list) else value


class Taken:
    """A recorded body as a call of ours."""

    def __init__(self, recording: Recording) -> None:
        self.sent = normal(recording.request["json"])
        self.model = recording.path.rpartition("/")[2].partition(":")[0]
        self._names: dict[str, list[str]] = {}
        self._count = 0

    def ask(self) -> Ask:
        """Whatever has no name of its own with us goes into ``provider_options``."""
        options = {
            name: value
            for name, value in self.sent.items()
            if name not in ("contents", "systemInstruction", "tools", "toolConfig", "generationConfig")
        }
        config = dict(self.sent.get("generationConfig") or {})
        parameters = {ours: config.pop(theirs) for theirs, ours in PARAMETERS.items() if theirs in config}
        form = None
        if "responseJsonSchema" in config and config.get("responseMimeType") == "application/json":
            form = ResponseFormat("json_schema", config.pop("responseJsonSchema"))
            del config["responseMimeType"]
        if config:
            options["generationConfig"] = config
        tools, own = self._tools()
        if own:
            options["tools"] = own
        calling = (self.sent.get("toolConfig") or {}).get("functionCallingConfig")
        choice = None
        if tools and calling and set(calling) == {"mode"} and calling["mode"] in MODES:
            choice = ToolChoice(MODES[calling["mode"]])  # type: ignore[arg-type]
        elif self.sent.get("toolConfig"):
            options["toolConfig"] = self.sent["toolConfig"]
        said = [message for content in self.sent["contents"] for message in self._messages(content)]
        return ask_of(
            model=self.model,
            messages=(*self._system(), *said),
            tools=tools,
            tool_choice=choice,
            response_format=form,
            parameters=parameters,
            provider_options={"gemini": options},
        )

    def _system(self) -> list[Message]:
        parts = (self.sent.get("systemInstruction") or {}).get("parts") or []
        return [Message("system", tuple(TextPart(part["text"]) for part in parts))] if parts else []

    def _tools(self) -> tuple[tuple[Tool, ...], list[Any]]:
        """Ours where real JSON Schema was sent, and each tool in an entry of its own."""
        entries = self.sent.get("tools") or []
        declared = entries[0].get("functionDeclarations") if len(entries) == 1 else None
        if not declared or len(entries[0]) > 1 or not all("parametersJsonSchema" in tool for tool in declared):
            return (), entries
        return tuple(Tool(tool["name"], tool.get("description"), tool["parametersJsonSchema"]) for tool in declared), []

    def _messages(self, content: dict[str, Any]) -> list[Message]:
        if content.get("role") == "model":
            builder = ResponseBuilder()
            self._count += 1
            for event in CandidateReader().read({"content": content}, f"call-{self._count}"):
                builder.add(event)
            message = builder.partial().message
            for call in message.tool_calls:
                self._names.setdefault(call.name, []).append(call.id)
            return [message]
        made: list[Message] = []
        for part in content["parts"]:
            role = "user" if set(part.get("functionResponse", {"parts"})) - {"name", "id", "response"} else "tool"
            if not made or made[-1].role != role:
                made.append(Message(role, ()))  # type: ignore[arg-type]
            made[-1] = Message(role, (*made[-1].parts, self._part(part)))  # type: ignore[arg-type]
        return made

    def _part(self, part: dict[str, Any]) -> Part:
        if answer := part.get("functionResponse"):
            ids = self._names.get(answer["name"]) or [""]
            if set(answer) - {"name", "id", "response"}:
                return ProviderPart("gemini", part)  # with files of its own
            text = json.dumps(answer["response"])
            return ToolResultPart(answer.get("id") or ids.pop(0), text, name=answer["name"])
        extra = {name: value for name, value in part.items() if name != "text"}
        if isinstance(part.get("text"), str):
            return TextPart(part["text"], {"gemini": extra} if extra else {})
        return file_of(part) or ProviderPart("gemini", part)


def merged(contents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Turns of one role as one, since Google takes both alike."""
    made: list[dict[str, Any]] = []
    for content in contents:
        role = "model" if content.get("role") == "model" else ANY_ROLE
        parts = compacted(content["parts"]) if role == "model" else content["parts"]
        if made and made[-1]["role"] == role:
            made[-1]["parts"] = made[-1]["parts"] + parts
        elif parts:
            made.append({"role": role, "parts": parts})
    return made


def comparable(body: dict[str, Any]) -> dict[str, Any]:
    made = normal(body)
    made["contents"] = merged(made["contents"])
    for content in made["contents"]:
        for part in content["parts"]:
            even_out(part)
    if system := made.get("systemInstruction"):
        system.pop("role", None)
        if not system.get("parts"):
            del made["systemInstruction"]
    for tool in made.get("tools", []):
        for name in [name for name, value in tool.items() if value is None]:
            del tool[name]
    return {name: value for name, value in made.items() if value not in ({}, [], None)}


def even_out(part: dict[str, Any]) -> None:
    """Take away what one side may say and the other need not."""
    if part.get("thoughtSignature") == UNSIGNED:
        del part["thoughtSignature"]
    if "functionCall" in part:
        part["functionCall"].setdefault("args", {})
    for name in ("inlineData", "fileData"):
        part.get(name, {}).pop("displayName", None)
    if part.get("inlineData", {}).get("data", "").startswith("iVBORw0KGgo"):
        part["inlineData"]["mimeType"] = "image/png"  # which its bytes say, whatever else was said of it


def is_refused(recording: Recording) -> bool:
    return recording.status >= 400


@NOT_THERE
@pytest.mark.parametrize("recording", [one for one in RECORDINGS if not is_refused(one)], ids=lambda one: one.id)
def test_recorded_request_is_built_again(recording: Recording) -> None:
    """A body that Google took is the body that its parts, as our values, are sent as."""
    taken = Taken(recording)
    # A gateway may still have the models of the recordings that Google has shut down since.
    vertex = recording.kind == "vertex-generate"
    config = GeminiConfig(api_key="test-key", base_url="https://gateway.example", vertex=vertex)
    provider = GeminiProvider(config, GEMINI)
    request = provider.request_of(taken.ask())
    built = json.loads(GENERATE.build_request(request, config, stream=recording.stream).body or b"")
    assert comparable(built) == comparable(recording.request["json"])


@NOT_THERE
@pytest.mark.parametrize("recording", [one for one in RECORDINGS if one.is_answer], ids=lambda one: one.id)
def test_answer_survives_being_sent_back(recording: Recording) -> None:
    """An answer put into the history is sent back part for part: thoughts, signatures, files, code and its results."""
    response = fold(wire_events(GENERATE, recording))
    assert fold(events_of(response)).message == response.message
    request = Request(model="gemini-2.5-flash", messages=(Message.user("?"), response.message, Message.user("go on")))
    built = json.loads(GENERATE.build_request(request, GeminiConfig(api_key="k"), stream=False).body or b"")
    sent = built["contents"][1]["parts"] if len(built["contents"]) == 3 else []
    assert compacted(sent) == compacted(answered_parts(recording))


def answered_parts(recording: Recording) -> list[dict[str, Any]]:
    lines = recording.body.decode().splitlines() if recording.stream else []
    answers = [json.loads(line[5:]) for line in lines if line.startswith("data:")] or [json.loads(recording.body)]
    found = []
    for answer in answers:
        for candidate in answer["candidates"]:
            if not candidate.get("index"):
                found += (candidate.get("content") or {}).get("parts") or []
    return found


def compacted(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Texts that follow each other and are not signed as one."""
    made: list[dict[str, Any]] = []
    for part in parts:
        plain = set(part) <= {"text", "thought"}
        if plain and not part["text"]:
            continue
        same = made and plain and made[-1].keys() == part.keys()
        if same:
            made[-1] = {**part, "text": made[-1]["text"] + part["text"]}
        else:
            made.append(part)
    return made


def test_files_are_no_parts_of_ours_by_accident() -> None:
    """A part that holds neither bytes nor an address is none of ours."""
    assert file_of({"functionCall": {}}) is None
    assert isinstance(file_of({"inlineData": {"mimeType": "image/png", "data": "AA=="}}), FilePart)
