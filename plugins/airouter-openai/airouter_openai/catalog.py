"""The list of models, and their context lengths, which the API does not tell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from airouter_core.dialects.chat_completions.endpoints import base_model, models_operation
from airouter_core.values.catalog import ModelInfo
from airouter_core.values.usage import count
from airouter_core.wire.http import HttpRequest, Operation, json_request
from airouter_core.wire.json import decoded_value, encoded, mapping

from .config import OpenAIConfig
from .families import base_name
from .plugin import OPENAI
from .wire import headers

CONTEXTS_AS_OF = "2026-11-23"

# Tokens that prompt and answer share, and tokens of an answer; the first row that fits the name holds. Sources:
# OpenRouter's list of models as recorded on 2026-04-16 and 2026-08-21 for models up to gpt-5.2; beyond, the pages
# vercel.com/ai-gateway/models/{gpt-5.6-sol,gpt-6-astra} and docs.litellm.ai/blog/gpt_6_sol_luna (2026-09).
# A model that is in none of them has no row: unknown is not a guess.
CONTEXTS: tuple[tuple[str, int, int], ...] = (
    (r"gpt-6-(astra|sol|luna)", 1_050_000, 128_000),
    (r"gpt-5\.6-sol", 1_050_000, 128_000),
    (r"gpt-5(\.[12])?-chat", 128_000, 16_384),
    (r"gpt-5\.1-codex-mini", 400_000, 100_000),
    (r"gpt-5(\.[12])?(-(mini|nano|pro|codex(-max)?))?(-20\d\d|$)", 400_000, 128_000),
    (r"o[134](-|$)", 200_000, 100_000),
    (r"gpt-4\.1", 1_047_576, 32_768),
    (r"gpt-4o-2024-05-13", 128_000, 4_096),
    (r"gpt-4o(-mini)?(-20\d\d|-search-preview|-audio-preview|$)|chatgpt-4o-latest", 128_000, 16_384),
    (r"gpt-4-(turbo|1106-preview)", 128_000, 4_096),
    (r"gpt-4(-0314|-0613|$)", 8_192, 4_096),
    (r"gpt-3\.5-turbo(-16k|-0125|-1106|$)", 16_385, 4_096),
)


def limits_of(model: str) -> tuple[int | None, int | None]:
    """Tokens of context and of an answer, as known on :data:`CONTEXTS_AS_OF`; ``None`` where they are not."""
    name = base_name(model)
    for names, context, answer in CONTEXTS:
        if re.match(names, name):
            return context, answer
    return None, None


def read_model(entry: Mapping[str, Any]) -> ModelInfo:
    """A model from its JSON; what compatible servers add is taken before the table."""
    context, answer = limits_of(entry["id"])
    meta = mapping(entry.get("meta"))
    # vLLM says max_model_len; llama.cpp says meta.n_ctx, and what the model was trained with.
    said = entry.get("context_length"), entry.get("max_model_len"), meta.get("n_ctx"), meta.get("n_ctx_train")
    return base_model(
        OPENAI.name,
        entry,
        context_length=next((number for number in map(count, said) if number), context),
        max_output_tokens=answer,
    )


_LISTED = models_operation(read_model, headers=headers)


def _parse(body: bytes) -> list[ModelInfo]:
    # One model asked for by name comes bare.
    content = mapping(decoded_value(body))
    bare = isinstance(content.get("id"), str) and "data" not in content
    return _LISTED.parse(encoded({"data": [content]}) if bare else body)


MODELS = Operation(build=_LISTED.build, parse=_parse)


def _build_one(config: OpenAIConfig, model: str) -> HttpRequest:
    from urllib.parse import quote

    return json_request(config, "GET", f"models/{quote(model, safe=':')}", headers=headers(config))


MODEL = Operation(build=_build_one, parse=_parse)
