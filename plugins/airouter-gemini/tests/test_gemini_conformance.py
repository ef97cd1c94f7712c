"""The interface, as the kit checks it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from airouter_core.testing.checks.schemas import Problems
from airouter_core.testing.conformance import ProviderConformance
from airouter_core.testing.recordings import Recording
from airouter_core.testing.server import Answer, ReceivedRequest
from airouter_gemini.plugin import GEMINI

SHARED = Path(__file__).parents[4] / "shared" / "recordings-more"


def sdk_problems(body: Any) -> Iterator[str]:
    """What the types of the vendor's SDK find wrong with a body of generateContent."""
    types = pytest.importorskip("google.genai.types", reason="google-genai is not installed")
    from pydantic import ValidationError

    kinds = {
        "systemInstruction": types.Content,
        "toolConfig": types.ToolConfig,
        "generationConfig": types.GenerationConfig,
    }
    lists = {"contents": types.Content, "tools": types.Tool, "safetySettings": types.SafetySetting}
    for name, value in body.items():
        try:
            if name in kinds:
                kinds[name].model_validate(value, strict=False)
            elif name in lists:
                for item in value:
                    lists[name].model_validate(item)
            elif name not in ("cachedContent", "serviceTier", "labels", "store"):
                yield f"{name} is no field of a request"
        except ValidationError as error:
            yield f"{name}: {error}"


def interaction_problems(body: Any) -> Iterator[str]:
    """What the types of the vendor's SDK find wrong with the body of an interaction."""
    pytest.importorskip("google.genai", reason="google-genai is not installed")
    from google.genai._gaos.types.interactions.createmodelinteraction import CreateModelInteraction
    from pydantic import ValidationError

    try:
        made = CreateModelInteraction.model_validate(body)
    except ValidationError as error:
        yield str(error)
        return
    if unknown := set(body) - set(CreateModelInteraction.model_fields):
        yield f"no fields of a request: {unknown}"
    again = made.model_dump(mode="json", by_alias=True, exclude_none=True)
    if "UNKNOWN" in json.dumps(again):
        yield f"holds what the types do not know: {again}"


class TestOverGenerateContent(ProviderConformance):
    """generateContent, with a model that takes levels of thinking."""

    info = GEMINI
    recordings = SHARED if SHARED.is_dir() else None
    kinds = ("gemini-generate", "vertex-generate")
    model = "gemini-3.6-flash"
    parameter_values: ClassVar = {"top_k": 40, "n": 1, "service_tier": "flex"}
    parameter_company: ClassVar = {"top_logprobs": {"logprobs": True}}
    count_fields = ("usageMetadata",)

    def asks_for_stream(self, request: ReceivedRequest) -> bool:
        return ":streamGenerateContent" in request.path

    def body_of(self, recording: Recording) -> bytes | None:
        """The answer that a stream adds up to."""
        whole: dict[str, Any] = {}
        parts: list[dict[str, Any]] = []
        for line in recording.body.decode().splitlines():
            if not line.startswith("data:"):
                continue
            answer = json.loads(line[5:])
            candidates = answer.pop("candidates", None) or [{}]
            if len(candidates) > 1:
                return None
            parts += (candidates[0].get("content") or {}).get("parts") or []
            whole.update(answer)
            known = whole.setdefault("candidates", [{}])[0]
            known.update(candidates[0])
            known["content"] = {"parts": parts}
        return json.dumps(whole).encode()

    def embeddings_answer(self, request: ReceivedRequest) -> Answer:
        """The vectors of a batch, in the order of its requests."""
        texts = [one["content"]["parts"][0]["text"] for one in request.json["requests"]]
        return Answer.of_json({"embeddings": [{"values": [float(len(text)), 0.5]} for text in texts]})

    def quota_answer(self) -> Answer:
        """A quota of the day: status 429, told from a rate limit by its id alone."""
        violation = {"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "quotaValue": "50"}
        details = [{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]}]
        error = {"code": 429, "message": "kit: used up", "status": "RESOURCE_EXHAUSTED", "details": details}
        return Answer.of_json({"error": error}, status=429)

    def error_body(self) -> Any:
        return {"error": {"code": 500, "message": "kit: it broke", "status": "INTERNAL"}}

    def schema_problems(self) -> Problems:
        """The types of the vendor's SDK."""
        return sdk_problems


class TestOverInteractions(ProviderConformance):
    """The Interactions API."""

    info = GEMINI
    config: ClassVar = {"api": "interactions"}
    recordings = SHARED if SHARED.is_dir() else None
    kinds = ("gemini-interactions",)
    model = "gemini-3.6-flash"
    parameter_values: ClassVar = {"service_tier": "flex"}
    count_fields = ("usage",)
    finish_fields = ("status",)

    def body_of(self, recording: Recording) -> bytes | None:
        """The interaction that a stream of thoughts and words adds up to."""
        whole: dict[str, Any] = {}
        steps: dict[int, dict[str, Any]] = {}
        for line in recording.body.decode().splitlines():
            event = json.loads(line[5:]) if line.startswith("data: {") else {}
            whole.update(event.get("interaction", {}))
            match event.get("event_type"):
                case "step.start":
                    steps[event["index"]] = event["step"]
                case "step.delta" if event["delta"]["type"] == "text":
                    content = steps[event["index"]].setdefault("content", [{"type": "text", "text": ""}])
                    content[0]["text"] += event["delta"]["text"]
                case "step.delta":
                    steps[event["index"]].update({"signature": event["delta"]["signature"]})
        return json.dumps({**whole, "steps": [steps[index] for index in sorted(steps)]}).encode()

    def embeddings_answer(self, request: ReceivedRequest) -> Answer:
        """The vectors of a batch, in the order of its requests."""
        texts = [one["content"]["parts"][0]["text"] for one in request.json["requests"]]
        return Answer.of_json({"embeddings": [{"values": [float(len(text)), 0.5]} for text in texts]})

    def quota_answer(self) -> Answer:
        """This API tells a quota from a limit by a word."""
        return Answer.of_json({"error": {"code": "quota_exceeded", "message": "kit: used up"}}, status=429)

    def error_body(self) -> Any:
        return {"event_type": "error", "error": {"code": "internal_error", "message": "kit: it broke"}}

    def schema_problems(self) -> Problems:
        """The types of the vendor's SDK."""
        return interaction_problems
