"""The shipped kit, over both of OpenAI's chat APIs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from airouter_core.testing.checks.schemas import Problems, problems_by_schema
from airouter_core.testing.conformance import ProviderConformance
from airouter_core.testing.recordings import Recording
from airouter_core.testing.samples import CHAT_COMPLETIONS, assembled_chat_completion
from airouter_openai.plugin import OPENAI

RECORDINGS = Path(__file__).resolve().parents[3].parent / "shared" / "recordings"

SPECS = Path(__file__).resolve().parents[3].parent / "shared" / "specs"


class TestOverChatCompletions(ProviderConformance):
    """As with any compatible server, and with OpenAI's older models."""

    info = OPENAI
    recordings = RECORDINGS
    kinds = ("openai-chat",)
    samples = CHAT_COMPLETIONS

    def body_of(self, recording: Recording) -> bytes | None:
        """The whole answer of a stream that holds text and calls only."""
        return assembled_chat_completion(recording)

    def schema_problems(self) -> Problems:
        """The vendor's schema of a request."""
        return problems_by_schema(SPECS / "openai.request.strict.schema.json", "ChatCompletionRequest")


class TestOverResponses(ProviderConformance):
    """As with OpenAI's newer models."""

    info = OPENAI
    config: ClassVar[Mapping[str, Any]] = {"api": "responses"}
    recordings = RECORDINGS
    kinds = ("openai-responses",)
    lacking: ClassVar[Mapping[str, str]] = {"audio_input": "the Responses API takes no sound"}

    def body_of(self, recording: Recording) -> bytes | None:
        """The last event of a stream holds the whole answer."""
        events = [line[5:] for line in recording.body.split(b"\n") if line.startswith(b"data:")]
        last = json.loads(events[-1]) if events and b"{" in events[-1] else {}
        return json.dumps(last["response"]).encode() if "response" in last else None

    def schema_problems(self) -> Problems:
        """The vendor's schema of a request."""
        return problems_by_schema(SPECS / "openai.request.strict.schema.json", "ResponseCreateRequest")
