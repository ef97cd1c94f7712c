"""What this distribution brings: values only."""

from __future__ import annotations

from collections.abc import Iterable

from airouter_core.plugins.hookspecs import hookimpl
from airouter_core.profile.declarations import FULL_CHAT, ParameterSupport, ProviderInfo, not_taken

# Fields of a request as of 2026-11 (SDK google-genai 3.6.1, types.GenerateContentConfig). Which levels and budgets of
# thinking a model takes is decided per call, in profile.py.
NOT_TAKEN = "the Gemini API has no such field"
THINKING = "generationConfig.thinkingConfig"
PARAMETERS = (
    ParameterSupport("temperature", "generationConfig.temperature", minimum=0, maximum=2),
    ParameterSupport("top_p", "generationConfig.topP", minimum=0, maximum=1),
    ParameterSupport("top_k", "generationConfig.topK", minimum=1),
    ParameterSupport("max_tokens", "generationConfig.maxOutputTokens", minimum=1),
    ParameterSupport("stop", "generationConfig.stopSequences"),
    ParameterSupport("seed", "generationConfig.seed", minimum=-(2**31), maximum=2**31 - 1),
    ParameterSupport("presence_penalty", "generationConfig.presencePenalty", minimum=-2, maximum=2),
    ParameterSupport("frequency_penalty", "generationConfig.frequencyPenalty", minimum=-2, maximum=2),
    ParameterSupport("n", "generationConfig.candidateCount", minimum=1, maximum=8),
    ParameterSupport("logprobs", "generationConfig.responseLogprobs"),
    ParameterSupport("top_logprobs", "generationConfig.logprobs", minimum=0, maximum=20),
    ParameterSupport("reasoning_effort", f"{THINKING}.thinkingLevel"),
    ParameterSupport("reasoning_budget", f"{THINKING}.thinkingBudget", minimum=0),
    ParameterSupport("service_tier", "serviceTier", choices=("standard", "flex", "priority")),
    ParameterSupport("context", reason="the context is fixed by the model; list_models() says how long it is"),
    ParameterSupport("verbosity", reason=f"{NOT_TAKEN}; say in the prompt how long the answer is to be"),
    ParameterSupport("keep_alive", reason="models are always loaded"),
    ParameterSupport("parallel_tool_calls", reason=f"{NOT_TAKEN}; the model decides"),
    *not_taken(
        NOT_TAKEN,
        "min_p typical_p top_a repeat_penalty repeat_last_n logit_bias grammar user",
    ),
)

GEMINI = ProviderInfo(
    name="gemini",
    aliases=("google", "google-gemini"),
    description="Gemini models, by Google's own API: AI Studio and Vertex AI",
    target="airouter_gemini.provider:GeminiProvider",
    config_target="airouter_gemini.config:GeminiConfig",
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
        "token_counting",
    ),
    parameters=PARAMETERS,
    model_patterns=("gemini-*", "models/gemini-*"),
    api_key_env="GEMINI_API_KEY",
)


@hookimpl
def airouter_providers() -> Iterable[ProviderInfo]:
    return (GEMINI,)
