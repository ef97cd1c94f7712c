"""What a provider's own word for the end of an answer means: the word that the provider under test must have for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..values.events import FinishReason

WORDS: Mapping[FinishReason, str] = {
    "stop": "stop end_turn stop_sequence eos complete completed",
    "length": "length max_tokens max_output_tokens model_length model_context_window_exceeded",
    "tool_calls": "tool_calls tool_call tool_use function_call",
    "content_filter": "content_filter content_filtered refusal safety guardrail_intervened recitation blocklist "
    "prohibited_content spii",
    "error": "error failed",
}
"""Words of the formats that are known, in small letters."""
MEANINGS: Mapping[str, FinishReason] = {word: meaning for meaning, words in WORDS.items() for word in words.split()}


def expected_finish_reason(expected: Mapping[str, Any], own: Mapping[str, FinishReason]) -> FinishReason | None:
    """The canonical reason that an answer ended for; ``None`` where its word is not known.

    Args:
        expected: of a recording.
        own: meanings that this provider gives to words of its own.
    """
    word = expected.get("incomplete_reason") or expected.get("finish_reason")
    if not isinstance(word, str):
        return None
    meaning = own.get(word) or MEANINGS.get(word.lower())
    # An answer that stops with calls has stopped to call, whatever its word is.
    return "tool_calls" if meaning == "stop" and expected.get("tool_calls") else meaning
