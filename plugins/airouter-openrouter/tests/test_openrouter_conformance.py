"""The shipped kit, over OpenRouter's chat."""

from __future__ import annotations

from pathlib import Path

from airouter_core.testing.checks.schemas import Problems, problems_by_schema
from airouter_core.testing.conformance import ProviderConformance
from airouter_core.testing.recordings import Recording
from airouter_core.testing.samples import CHAT_COMPLETIONS, assembled_chat_completion
from airouter_openrouter.plugin import OPENROUTER

SPECS = Path(__file__).resolve().parents[3].parent / "shared" / "specs"


class TestOpenRouter(ProviderConformance):
    """What holds for every provider."""

    info = OPENROUTER
    recordings = Path(__file__).resolve().parents[3].parent / "shared" / "recordings"
    kinds = ("openrouter-chat",)
    samples = CHAT_COMPLETIONS
    model = "kit/model"

    def body_of(self, recording: Recording) -> bytes | None:
        """The whole answer of a stream that holds text and calls only."""
        return assembled_chat_completion(recording)

    def schema_problems(self) -> Problems:
        """The vendor's schema of a request."""
        return problems_by_schema(SPECS / "openrouter.sdk.schema.json", "ChatRequest")
