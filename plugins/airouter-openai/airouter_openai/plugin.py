"""What this distribution brings: values only."""

from __future__ import annotations

from collections.abc import Iterable

from airouter_core.plugins.hookspecs import hookimpl
from airouter_core.profile.declarations import FULL_CHAT, ParameterSupport, ProviderInfo

SERVICE_TIERS = ("auto", "default", "flex", "scale", "priority", "fast")
VERBOSITIES = ("low", "medium", "high")
LOGPROBS = "message.output_text.logprobs"
"""What the Responses API includes in an answer on request."""

# Fields and limits of both APIs: the types of the vendor's SDK 3.54.0, ranges from openai/openai-openapi@f85dbe22.
# Which of the rows hold for a model of OpenAI's is decided in profile.py.
CHAT_PARAMETERS = (
    ParameterSupport("temperature", "temperature", minimum=0, maximum=2),
    ParameterSupport("top_p", "top_p", minimum=0, maximum=1),
    ParameterSupport("max_tokens", "max_tokens", minimum=1),
    ParameterSupport("stop", "stop"),
    ParameterSupport("seed", "seed", minimum=-(2**63), maximum=2**63 - 1),
    ParameterSupport("presence_penalty", "presence_penalty", minimum=-2, maximum=2),
    ParameterSupport("frequency_penalty", "frequency_penalty", minimum=-2, maximum=2),
    ParameterSupport("logit_bias", "logit_bias"),
    ParameterSupport("n", "n", minimum=1, maximum=128),
    ParameterSupport("logprobs", "logprobs"),
    ParameterSupport("top_logprobs", "top_logprobs", minimum=0, maximum=20),
    ParameterSupport("reasoning_effort", "reasoning_effort"),
    ParameterSupport("verbosity", "verbosity", choices=VERBOSITIES),
    ParameterSupport("parallel_tool_calls", "parallel_tool_calls"),
    ParameterSupport("user", "user"),
    ParameterSupport("service_tier", "service_tier"),
    ParameterSupport("prompt_cache_key", "prompt_cache_key"),
)

RESPONSES_PARAMETERS = (
    ParameterSupport("temperature", "temperature", minimum=0, maximum=2),
    ParameterSupport("top_p", "top_p", minimum=0, maximum=1),
    ParameterSupport("max_tokens", "max_output_tokens", minimum=16),
    ParameterSupport("logprobs", "include", said_as={True: [LOGPROBS], False: []}),
    ParameterSupport("top_logprobs", "top_logprobs", minimum=0, maximum=20),
    ParameterSupport("reasoning_effort", "reasoning.effort"),
    ParameterSupport("verbosity", "text.verbosity", choices=VERBOSITIES),
    ParameterSupport("parallel_tool_calls", "parallel_tool_calls"),
    ParameterSupport("user", "safety_identifier"),
    ParameterSupport("service_tier", "service_tier"),
    ParameterSupport("prompt_cache_key", "prompt_cache_key"),
)

COMPLETIONS_PARAMETERS = (
    *(
        row
        for row in CHAT_PARAMETERS
        if row.name in {"temperature", "top_p", "max_tokens", "stop", "seed", "logit_bias", "n", "user"}
        or row.name.endswith("_penalty")
    ),
    ParameterSupport("top_logprobs", "logprobs", minimum=0, maximum=5),
)

OPENAI = ProviderInfo(
    name="openai",
    aliases=("gpt", "chatgpt"),
    description="OpenAI's models, and servers that speak its API",
    target="airouter_openai.provider:OpenAIProvider",
    config_target="airouter_openai.config:OpenAIConfig",
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
        "moderation",
        "token_counting",
        "batches",
    ),
    parameters=CHAT_PARAMETERS,
    # "gpt-oss" is OpenAI's too, but runs elsewhere.
    model_patterns=(
        "gpt-[0-9]*",
        "gpt-image-*",
        "gpt-audio*",
        "chatgpt-*",
        "davinci-002",
        "babbage-002",
        "o[0-9]",
        "o[0-9]-*",
        "ft:gpt-*",
        "ft:o[0-9]*",
        "text-embedding-3-*",
        "text-embedding-ada-*",
        "omni-moderation-*",
        "dall-e-*",
    ),
    api_key_env="OPENAI_API_KEY",
)


@hookimpl
def airouter_providers() -> Iterable[ProviderInfo]:
    return (OPENAI,)
