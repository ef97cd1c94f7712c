"""What this distribution brings: values only."""

from __future__ import annotations

from collections.abc import Iterable

from airouter_core.plugins.hookspecs import hookimpl
from airouter_core.profile.declarations import Command, ParameterSupport, ProviderInfo

# Fields and limits: Ollama, api/types.go (fb307609), and what a 0.33.0 server was seen to do. The server holds options
# to no range, and answers an option of the wrong type with status 500; num_predict 0 gives one token.
PARAMETERS = (
    ParameterSupport("temperature", "options.temperature"),
    ParameterSupport("top_p", "options.top_p"),
    ParameterSupport("top_k", "options.top_k"),
    ParameterSupport("min_p", "options.min_p"),
    ParameterSupport("typical_p", "options.typical_p"),
    ParameterSupport("max_tokens", "options.num_predict", minimum=1),
    ParameterSupport(
        "context",
        "options.num_ctx",
        words={"auto": "the smallest context that fits is chosen for each call; provider_metadata tells which"},
    ),
    ParameterSupport("stop", "options.stop"),
    ParameterSupport("seed", "options.seed"),
    ParameterSupport("presence_penalty", "options.presence_penalty"),
    ParameterSupport("frequency_penalty", "options.frequency_penalty"),
    ParameterSupport("repeat_penalty", "options.repeat_penalty"),
    ParameterSupport("repeat_last_n", "options.repeat_last_n"),
    ParameterSupport("logprobs", "logprobs"),
    ParameterSupport("top_logprobs", "top_logprobs"),
    ParameterSupport("reasoning_effort", "think", said_as={"none": False, "minimal": "low", "xhigh": "max"}),
    ParameterSupport("keep_alive", "keep_alive"),
    ParameterSupport("top_a", reason="Ollama has no top-a sampling; min_p is its nearest relative"),
    ParameterSupport("logit_bias", reason="Ollama takes no bias for single tokens"),
    ParameterSupport("n", reason="Ollama makes one answer for each call; call several times with different seeds"),
    ParameterSupport("grammar", reason="Ollama takes no grammar; give a JSON Schema as response_format"),
    ParameterSupport("reasoning_budget", reason="Ollama cannot limit thinking by tokens; use reasoning_effort"),
    ParameterSupport("verbosity", reason="Ollama has no such setting; ask for it in the prompt"),
    ParameterSupport("parallel_tool_calls", reason="with Ollama the model alone decides how many tools it calls"),
    ParameterSupport("user", reason="Ollama does not tell users apart"),
    ParameterSupport("service_tier", reason="Ollama has no service levels"),
)

OLLAMA = ProviderInfo(
    name="ollama",
    description="Models run by an Ollama server, here or elsewhere",
    target="airouter_ollama.provider:OllamaProvider",
    config_target="airouter_ollama.config:OllamaConfig",
    kind="local",
    capabilities=(
        "chat",
        "stream",
        "system_prompt",
        "tools",
        "json",
        "json_schema",
        "vision",
        "reasoning",
        "logprobs",
        "embeddings",
        "model_management",
    ),
    parameters=PARAMETERS,
)


@hookimpl
def airouter_providers() -> Iterable[ProviderInfo]:
    return (OLLAMA,)


@hookimpl
def airouter_commands() -> Iterable[Command]:
    return (
        Command(
            name="ollama",
            target="airouter_ollama.commands:ollama",
            help="Pull, show and remove the models of an Ollama server.",
        ),
    )
