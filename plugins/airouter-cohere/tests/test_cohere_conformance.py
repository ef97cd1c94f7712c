"""The interface, as the kit checks it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from airouter_cohere.plugin import COHERE
from airouter_core.testing.checks.schemas import Problems
from airouter_core.testing.conformance import ProviderConformance
from airouter_core.testing.recordings import Recording
from airouter_core.testing.server import Answer, ReceivedRequest

SHARED = Path(__file__).parents[4] / "shared" / "recordings-more"
CITED = "citations"


def sdk_problems(body: Any) -> Iterator[str]:
    """What the types of the vendor's SDK find wrong with a body: unknown fields, values of other types."""
    cohere = pytest.importorskip("cohere", reason="cohere is not installed")
    import inspect

    from pydantic import ValidationError

    known = set(inspect.signature(cohere.ClientV2.chat).parameters)
    if unknown := set(body) - known - {"stream"}:
        yield f"no fields of a request: {unknown}"
    roles = {
        "user": cohere.UserChatMessageV2,
        "assistant": cohere.AssistantChatMessageV2,
        "system": cohere.SystemChatMessageV2,
        "tool": cohere.ToolChatMessageV2,
    }
    judged = [(roles[message["role"]], message) for message in body["messages"]]
    judged += [(cohere.ToolV2, tool) for tool in body.get("tools", [])]
    judged += [(cohere.Thinking, body["thinking"])] if "thinking" in body else []
    judged += [(cohere.JsonObjectResponseFormatV2, body["response_format"])] if "response_format" in body else []
    for kind, value in judged:
        try:
            made = kind.model_validate(value)
        except ValidationError as error:
            yield f"{kind.__name__}: {error}"
        else:
            if made.model_extra:
                yield f"{kind.__name__} does not know {set(made.model_extra)}"


def add(message: dict[str, Any], kind: str, index: Any, delta: dict[str, Any]) -> None:
    """Add an event of a stream to the message that it is a part of."""
    match kind:
        case "content-start":
            message["content"].append(dict(delta["content"]))
        case "content-delta":
            for field, more in delta["content"].items():
                message["content"][-1][field] = message["content"][-1].get(field, "") + more
        case "tool-plan-delta":
            message["tool_plan"] += delta["tool_plan"]
        case "citation-start":
            message[CITED].append(delta[CITED])
        case "tool-call-start":
            message["tool_calls"].append(delta["tool_calls"])
        case "tool-call-delta":
            function = message["tool_calls"][index]["function"]
            function["arguments"] = function.get("arguments", "") + delta["tool_calls"]["function"]["arguments"]


class TestCohere(ProviderConformance):
    """Cohere, with a model that thinks."""

    info = COHERE
    recordings = SHARED if SHARED.is_dir() else None
    kinds = ("cohere-chat-v2",)
    model = "command-a-reasoning-08-2025"
    parameter_values: ClassVar = {"top_p": 0.5}
    count_fields = ("usage",)

    def body_of(self, recording: Recording) -> bytes | None:
        """The answer that a stream adds up to."""
        whole: dict[str, Any] = {}
        message: dict[str, Any] = {"role": "assistant", "content": [], "tool_calls": [], "tool_plan": "", CITED: []}
        for line in recording.body.decode().splitlines():
            event = json.loads(line[5:]) if line.startswith("data: {") else {}
            if event.get("type") == "message-start":
                whole["id"] = event["id"]
            elif event.get("type") == "message-end":
                whole.update(event["delta"])
            else:
                add(message, event.get("type", ""), event.get("index"), (event.get("delta") or {}).get("message") or {})
        return json.dumps({**whole, "message": message}).encode()

    def embeddings_answer(self, request: ReceivedRequest) -> Answer:
        """Vectors by their type, in the order of the texts."""
        texts = request.json["texts"]
        return Answer.of_json({"id": "kit", "embeddings": {"float": [[float(len(text)), 0.5] for text in texts]}})

    def quota_answer(self) -> Answer:
        """A trial key whose calls of the month are used up: status 429, told by its words alone."""
        message = "You are using a Trial key, which is limited to 1000 API calls / month."
        return Answer.of_json({"id": "1", "message": message}, status=429)

    def error_body(self) -> Any:
        return {"id": "1", "message": "kit: it broke"}

    def schema_problems(self) -> Problems:
        """The types of the vendor's SDK."""
        return sdk_problems
