"""The shipped kit, over a llama-server elsewhere (mode remote)."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from airouter_core.testing.checks.schemas import Problems, problems_by_schema
from airouter_core.testing.conformance import ProviderConformance
from airouter_core.testing.samples import CHAT_COMPLETIONS, assembled_chat_completion
from airouter_llamacpp.plugin import LLAMACPP

SPECS = Path(__file__).resolve().parents[3].parent / "shared" / "specs"


class TestLlamaCpp(ProviderConformance):
    """llama.cpp's server, over the chat-completions format."""

    info = LLAMACPP
    config: ClassVar = {"mode": "remote"}
    samples = CHAT_COMPLETIONS
    recordings = Path(__file__).resolve().parents[3].parent / "shared" / "recordings"
    kinds = ("llamacpp-chat",)

    def body_of(self, recording):
        return assembled_chat_completion(recording)

    def schema_problems(self) -> Problems:
        """The vendor's schema of a request."""
        return problems_by_schema(SPECS / "llamacpp.schema.json", "ChatCompletionRequest")
