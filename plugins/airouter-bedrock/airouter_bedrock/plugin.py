"""What this distribution brings: values only."""

from __future__ import annotations

from collections.abc import Iterable

from airouter_core.plugins.hookspecs import hookimpl
from airouter_core.profile.declarations import FULL_CHAT, ParameterSupport, ProviderInfo, not_taken

# As most models take them; what depends on the model is decided per call in profile.py.
# Fields: the service model bedrock-runtime/2023-09-30 (botocore 1.44.8), ConverseRequest.
NOT_TAKEN = "the Converse API has no such field"
OWN_FIELD = (
    f"{NOT_TAKEN}; what the model itself understands goes in "
    "provider_options={'bedrock': {'additionalModelRequestFields': {...}}}"
)
PARAMETERS = (
    ParameterSupport("max_tokens", "inferenceConfig.maxTokens", minimum=1),
    ParameterSupport("temperature", "inferenceConfig.temperature", minimum=0, maximum=1),
    ParameterSupport("top_p", "inferenceConfig.topP", minimum=0, maximum=1),
    ParameterSupport("stop", "inferenceConfig.stopSequences"),
    ParameterSupport("top_k", "additionalModelRequestFields.top_k"),
    ParameterSupport("reasoning_effort", "additionalModelRequestFields.output_config.effort"),
    ParameterSupport("reasoning_budget", "additionalModelRequestFields.thinking.budget_tokens", minimum=1024),
    ParameterSupport("service_tier", "serviceTier.type", choices=("default", "priority", "flex", "reserved")),
    ParameterSupport("context", reason="the context is fixed by the model"),
    ParameterSupport("keep_alive", reason="models are always loaded"),
    ParameterSupport("n", reason=f"{NOT_TAKEN}; ask several times"),
    ParameterSupport("user", reason=f"{NOT_TAKEN}; requestMetadata in provider_options goes into the invocation logs"),
    *not_taken(
        OWN_FIELD,
        "min_p typical_p top_a seed presence_penalty frequency_penalty repeat_penalty repeat_last_n "
        "logit_bias logprobs top_logprobs grammar verbosity parallel_tool_calls",
    ),
)

BEDROCK = ProviderInfo(
    name="bedrock",
    aliases=("amazon-bedrock", "aws-bedrock"),
    description="Models on Amazon Bedrock, by its Converse API",
    target="airouter_bedrock.provider:BedrockProvider",
    config_target="airouter_bedrock.config:BedrockConfig",
    kind="cloud",
    capabilities=(*FULL_CHAT, "vision", "documents", "audio_input", "reasoning", "embeddings", "token_counting"),
    parameters=PARAMETERS,
    model_patterns=("amazon.nova-*", "*.amazon.nova-*", "amazon.titan-*", "*.anthropic.claude-*", "arn:aws*:bedrock:*"),
    api_key_env="AWS_BEARER_TOKEN_BEDROCK",
)


@hookimpl
def airouter_providers() -> Iterable[ProviderInfo]:
    return (BEDROCK,)
