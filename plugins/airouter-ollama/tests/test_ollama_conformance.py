"""The interface, as the kit checks it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from airouter_core.testing.checks.schemas import Problems, problems_by_schema
from airouter_core.testing.conformance import ProviderConformance
from airouter_core.testing.recordings import Recording
from airouter_core.testing.server import Answer, ReceivedRequest
from airouter_ollama.plugin import OLLAMA

RECORDINGS = Path(__file__).resolve().parents[3].parent / "shared" / "recordings"

SPECS = Path(__file__).resolve().parents[3].parent / "shared" / "specs"


class TestOllama(ProviderConformance):
    """Ollama is a provider like any other."""

    info = OLLAMA
    recordings = RECORDINGS
    kinds = ("ollama-api",)
    parameter_values: ClassVar[Mapping[str, Any]] = {"keep_alive": "10m", "reasoning_effort": "low"}

    def body_of(self, recording: Recording) -> bytes | None:
        """A whole answer is its lines, laid over each other."""
        whole: dict[str, Any] = {}
        message: dict[str, Any] = {"role": "assistant", "content": ""}
        for line in recording.body.splitlines():
            if not line.strip():
                continue
            part = json.loads(line)
            said = part.pop("message", None)
            if said is None:
                return None
            for name in ("content", "thinking"):
                if said.get(name):
                    message[name] = message.get(name, "") + said[name]
            message.setdefault("tool_calls", []).extend(said.get("tool_calls") or [])
            logprobs = [*whole.get("logprobs", []), *part.pop("logprobs", [])]
            whole.update(part)
            if logprobs:
                whole["logprobs"] = logprobs
        if not message["tool_calls"]:
            del message["tool_calls"]
        return json.dumps({**whole, "message": message}).encode()

    def embeddings_answer(self, request: ReceivedRequest) -> Answer:
        """Vectors without a number, in the order of the texts."""
        return Answer.of_json({"embeddings": [[float(len(text)), 0.5] for text in request.json["input"]]})

    def error_body(self) -> Any:
        """Ollama's errors are sentences."""
        return {"error": "an error was encountered while running the model: kit"}

    def schema_problems(self) -> Problems:
        """The vendor's schema of a request."""
        return problems_by_schema(SPECS / "ollama.sdk.schema.json", "ChatRequest")
