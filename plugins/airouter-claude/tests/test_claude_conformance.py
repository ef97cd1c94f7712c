"""The interface, as the kit checks it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from airouter_claude.plugin import CLAUDE
from airouter_core.testing.checks.schemas import Problems, problems_by_schema
from airouter_core.testing.conformance import ProviderConformance
from airouter_core.testing.recordings import Recording
from airouter_core.testing.server import Answer

SHARED = Path(__file__).parents[4] / "shared" / "recordings"

SPECS = Path(__file__).resolve().parents[3].parent / "shared" / "specs"


class TestClaude(ProviderConformance):
    """Claude, with a model that takes both sampling parameters and effort."""

    info = CLAUDE
    recordings = SHARED if SHARED.is_dir() else None
    kinds = ("anthropic-messages",)
    model = "claude-sonnet-4-6"
    parameter_values: ClassVar = {"max_tokens": 2000, "reasoning_budget": 1500, "service_tier": "auto"}

    def body_of(self, recording: Recording) -> bytes | None:
        """The message that a stream of text and calls adds up to."""
        message: dict[str, Any] = {}
        fragments: dict[int, str] = {}
        for line in recording.body.decode().splitlines():
            event = json.loads(line[5:]) if line.startswith("data:") else {}
            match event.get("type"):
                case "message_start":
                    message = event["message"]
                case "content_block_start":
                    if event["content_block"]["type"] not in ("text", "tool_use"):
                        return None
                    message["content"].append(event["content_block"])
                    fragments[event["index"]] = ""
                case "content_block_delta" if event["delta"]["type"] in ("text_delta", "input_json_delta"):
                    delta = event["delta"]
                    fragments[event["index"]] += delta.get("text", delta.get("partial_json", ""))
                case "content_block_delta":
                    return None
                case "message_delta":
                    message.update(event["delta"])
                    message["usage"].update(event["usage"])
        for index, block in enumerate(message["content"]):
            field, value = ("text", str) if block["type"] == "text" else ("input", json.loads)
            block[field] = value(fragments[index] or ("" if field == "text" else "{}"))
        return json.dumps(message, ensure_ascii=False).encode()

    def quota_answer(self) -> Answer:
        """A spend limit: status 429, told from a rate limit by its code alone."""
        details = {"error_code": "enforced_spend_limit_reached"}
        error = {"type": "rate_limit_error", "message": "kit: the limit is reached", "details": details}
        return Answer.of_json({"type": "error", "error": error, "request_id": "req_1"}, status=429)

    def schema_problems(self) -> Problems:
        """The vendor's schema of a request."""
        return problems_by_schema(SPECS / "anthropic.request.2023-06-01.strict.schema.json", "MessageCreateRequest")
