"""What an answer used, in the spellings that are in use for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...values.usage import Usage, count
from ...wire.json import mapping

PROMPT = ("prompt_tokens", "input_tokens")
CACHE_READ = ("prompt_cache_hit_tokens", "num_cached_tokens", "cached_tokens", "cache_read_input_tokens")
"""Where cached tokens stand beside the counts, at servers that do not put them into the details."""
CACHE_WRITTEN = ("cache_creation_input_tokens", "cache_write_input_tokens")
REASONED = ("reasoning_tokens",)


def usage_of(usage: Mapping[str, Any]) -> Usage:
    """Usage in this format's terms: ``prompt_tokens`` holds cached tokens, ``completion_tokens`` holds reasoning."""
    prompt = mapping(usage.get("prompt_tokens_details") or usage.get("input_tokens_details"))
    completion = mapping(usage.get("completion_tokens_details") or usage.get("output_tokens_details"))
    sent = _first((usage, PROMPT))
    made = _first((usage, ("completion_tokens", "output_tokens")))
    reasoned = _first((completion, REASONED), (usage, REASONED))
    if (
        sent is not None
        and made is not None
        and reasoned
        and count(usage.get("total_tokens")) == sent + made + reasoned
    ):
        made += reasoned  # some count the thoughts apart, and only the sum tells
    return Usage(
        input_tokens=sent,
        output_tokens=made,
        cache_read_tokens=_first((prompt, ("cached_tokens",)), (usage, CACHE_READ)),
        cache_write_tokens=_first((prompt, ("cache_write_tokens", "cache_creation_tokens")), (usage, CACHE_WRITTEN)),
        reasoning_tokens=reasoned,
        raw=dict(usage),
    )


def _first(*places: tuple[Mapping[str, Any], tuple[str, ...]]) -> int | None:
    """The first count there is, under one of the names of each place."""
    for said, names in places:
        for name in names:
            if name in said and (number := count(said[name])) is not None:
                return number
    return None
