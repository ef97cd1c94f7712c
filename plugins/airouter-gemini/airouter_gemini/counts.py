"""What an answer used, in Google's terms: the prompt, what tools brought, the answer and thoughts are counted apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airouter_core.values.usage import Usage, count

OF_ANSWERS = (
    "promptTokenCount",
    "toolUsePromptTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "cachedContentTokenCount",
)
OF_INTERACTIONS = (
    "total_input_tokens",
    "total_tool_use_tokens",
    "total_output_tokens",
    "total_thought_tokens",
    "total_cached_tokens",
)


def usage_of(usage: Mapping[str, Any], names: tuple[str, str, str, str, str]) -> Usage:
    """Usage, from counts of these names."""
    prompt, tools, answer, thoughts, cached = (count(usage.get(name)) for name in names)
    return Usage(
        input_tokens=None if prompt is None else prompt + (tools or 0),
        output_tokens=None if answer is None and thoughts is None else (answer or 0) + (thoughts or 0),
        cache_read_tokens=cached,
        reasoning_tokens=thoughts,
        raw=dict(usage),
    )
