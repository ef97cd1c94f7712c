"""What this distribution brings: values only."""

from __future__ import annotations

from collections.abc import Iterable

from airouter_core.plugins.hookspecs import hookimpl
from airouter_core.profile.declarations import FULL_CHAT, ParameterSupport, ProviderInfo

# Fields and ranges: OpenRouter's OpenAPI document (2026-08-22), ChatRequest, and its parameters page.
PARAMETERS = (
    ParameterSupport("temperature", "temperature", minimum=0, maximum=2),
    ParameterSupport("top_p", "top_p", above=0, maximum=1),
    ParameterSupport("top_k", "top_k", minimum=0),
    ParameterSupport("min_p", "min_p", minimum=0, maximum=1),
    ParameterSupport("top_a", "top_a", minimum=0, maximum=1),
    ParameterSupport("max_tokens", "max_completion_tokens", minimum=1),
    ParameterSupport("stop", "stop"),
    ParameterSupport("seed", "seed"),
    ParameterSupport("presence_penalty", "presence_penalty", minimum=-2, maximum=2),
    ParameterSupport("frequency_penalty", "frequency_penalty", minimum=-2, maximum=2),
    ParameterSupport("repeat_penalty", "repetition_penalty", above=0, maximum=2),
    ParameterSupport("logit_bias", "logit_bias"),
    ParameterSupport("logprobs", "logprobs"),
    ParameterSupport("top_logprobs", "top_logprobs", minimum=0, maximum=20),
    ParameterSupport("grammar", "response_format.grammar"),
    ParameterSupport("reasoning_effort", "reasoning.effort"),
    ParameterSupport("reasoning_budget", "reasoning.max_tokens", minimum=1),
    ParameterSupport("verbosity", "verbosity"),
    ParameterSupport("parallel_tool_calls", "parallel_tool_calls"),
    ParameterSupport("user", "user"),
    ParameterSupport("service_tier", "service_tier", choices=("auto", "default", "fast", "flex", "priority", "scale")),
    ParameterSupport("prompt_cache_key", "session_id"),
    ParameterSupport("context", reason="a model's context is fixed; ModelInfo.context_length has it"),
    ParameterSupport("n", reason="OpenRouter makes one answer a call; make several calls"),
    ParameterSupport("typical_p", reason="OpenRouter does not take it; top_p and min_p are near it"),
    ParameterSupport("repeat_last_n", reason="OpenRouter has no such window; repeat_penalty goes without one"),
    ParameterSupport("keep_alive", reason="models of a service need not be kept loaded"),
)

OPENROUTER = ProviderInfo(
    name="openrouter",
    aliases=("open-router",),
    description="Models of many vendors behind one key, with routing, prices and costs",
    target="airouter_openrouter.provider:OpenRouterProvider",
    config_target="airouter_openrouter.config:OpenRouterConfig",
    kind="cloud",
    capabilities=(
        *FULL_CHAT,
        "vision",
        "documents",
        "audio_input",
        "reasoning",
        "logprobs",
        "embeddings",
        "images",
        "batches",
    ),
    parameters=PARAMETERS,
    model_patterns=("*/*",),
    api_key_env="OPENROUTER_API_KEY",
)


@hookimpl
def airouter_providers() -> Iterable[ProviderInfo]:
    return (OPENROUTER,)
