"""What this distribution brings: values only."""

from __future__ import annotations

from collections.abc import Iterable

from airouter_core.plugins.hookspecs import hookimpl
from airouter_core.profile.declarations import FULL_CHAT, ParameterSupport, ProviderInfo, not_taken

# Fields of a request as of 2026-11 (SDK cohere 7.3.1, V2Client.chat); limits from the vendor's API reference.
NOT_TAKEN = "the chat API has no such field"
PARAMETERS = (
    ParameterSupport("temperature", "temperature", minimum=0),
    ParameterSupport("top_p", "p", minimum=0.01, maximum=0.99),
    ParameterSupport("top_k", "k", minimum=0, maximum=500),
    ParameterSupport("max_tokens", "max_tokens", minimum=0),
    ParameterSupport("stop", "stop_sequences"),
    ParameterSupport("seed", "seed"),
    ParameterSupport("presence_penalty", "presence_penalty", minimum=0, maximum=1),
    ParameterSupport("frequency_penalty", "frequency_penalty", minimum=0, maximum=1),
    ParameterSupport("logprobs", "logprobs"),
    ParameterSupport("reasoning_effort", "thinking.type"),
    ParameterSupport("reasoning_budget", "thinking.token_budget", minimum=1),
    ParameterSupport("context", reason="the context is fixed by the model; list_models() says how long it is"),
    ParameterSupport("verbosity", reason=f"{NOT_TAKEN}; say in the prompt how long the answer is to be"),
    ParameterSupport("keep_alive", reason="models are always loaded"),
    ParameterSupport("n", reason=f"{NOT_TAKEN}; ask several times"),
    ParameterSupport("parallel_tool_calls", reason=f"{NOT_TAKEN}; the model decides"),
    ParameterSupport(
        "service_tier", reason=f"{NOT_TAKEN}; provider_options={{'cohere': {{'priority': 0}}}} is the nearest"
    ),
    *not_taken(
        NOT_TAKEN,
        "min_p typical_p top_a repeat_penalty repeat_last_n logit_bias top_logprobs grammar user",
    ),
)

COHERE = ProviderInfo(
    name="cohere",
    description="Cohere's Command, Embed and Rerank models",
    target="airouter_cohere.provider:CohereProvider",
    config_target="airouter_cohere.config:CohereConfig",
    kind="cloud",
    capabilities=(*FULL_CHAT, "vision", "reasoning", "logprobs", "embeddings", "rerank", "token_counting"),
    parameters=PARAMETERS,
    model_patterns=("command-a*", "command-r*", "c4ai-aya-*", "embed-v*", "rerank-v*"),
    api_key_env="CO_API_KEY",
)


@hookimpl
def airouter_providers() -> Iterable[ProviderInfo]:
    return (COHERE,)
