"""What this distribution brings: values only."""

from __future__ import annotations

from collections.abc import Iterable

from airouter_core.plugins.hookspecs import hookimpl
from airouter_core.profile.declarations import FULL_CHAT, Command, Parameter, ParameterSupport, ProviderInfo

ENGINE_CONTEXT = "n_ctx"
"""Where the context travels in a request: not to the server, but to the start of the engine."""
ENGINE_FLAGS = "special_flags"
KEEP_ALIVE = "keep_alive"
ENGINE_FIELDS = (ENGINE_CONTEXT, ENGINE_FLAGS, KEEP_ALIVE)
"""What a request carries for whoever starts the engine; none of it is sent to a server."""

# Fields and limits: llama.cpp, tools/server/server-schema.cpp (0c1e57098). Out-of-range values of the sampling
# fields are clamped there without a word, so the limits are kept here.
PARAMETERS = (
    ParameterSupport("temperature", "temperature", minimum=0),
    ParameterSupport("top_p", "top_p", minimum=0, maximum=1),
    ParameterSupport("top_k", "top_k", minimum=0),
    ParameterSupport("min_p", "min_p", minimum=0, maximum=1),
    ParameterSupport("typical_p", "typical_p", minimum=0, maximum=1),
    ParameterSupport("max_tokens", "max_tokens", minimum=1),
    ParameterSupport("context", ENGINE_CONTEXT, minimum=2),
    ParameterSupport("stop", "stop"),
    ParameterSupport("seed", "seed", minimum=-1, maximum=2**32 - 2),  # -1: a random one, as in all of llama.cpp
    ParameterSupport("presence_penalty", "presence_penalty"),
    ParameterSupport("frequency_penalty", "frequency_penalty"),
    ParameterSupport("repeat_penalty", "repeat_penalty"),
    ParameterSupport("repeat_last_n", "repeat_last_n", minimum=0),
    ParameterSupport("logit_bias", "logit_bias"),
    ParameterSupport("n", "n"),
    ParameterSupport("logprobs", "logprobs"),
    ParameterSupport("top_logprobs", "top_logprobs"),
    ParameterSupport("grammar", "grammar"),
    ParameterSupport("reasoning_effort", "reasoning_effort"),
    ParameterSupport("reasoning_budget", "reasoning_budget_tokens"),
    ParameterSupport("parallel_tool_calls", "parallel_tool_calls"),
    ParameterSupport(KEEP_ALIVE, KEEP_ALIVE),
    ParameterSupport(ENGINE_FLAGS, ENGINE_FLAGS),
)

LLAMACPP = ProviderInfo(
    name="llama-cpp",
    aliases=("llamacpp", "llama.cpp", "llama_cpp", "gguf"),
    description="GGUF models on this machine, run by llama.cpp",
    target="airouter_llamacpp.provider:LlamaCppProvider",
    config_target="airouter_llamacpp.config:LlamaCppConfig",
    kind="local",
    capabilities=(
        *FULL_CHAT,
        "vision",
        "audio_input",
        "reasoning",
        "logprobs",
        "embeddings",
        "rerank",
        "token_counting",
    ),
    parameters=PARAMETERS,
    model_patterns=("*.gguf", "*.GGUF"),
)


@hookimpl
def airouter_providers() -> Iterable[ProviderInfo]:
    return (LLAMACPP,)


@hookimpl
def airouter_parameters(provider: str) -> Iterable[Parameter]:
    if provider != LLAMACPP.name:
        return ()
    return (Parameter(ENGINE_FLAGS, "strings", description="Command-line flags for a llama.cpp program, as they are."),)


@hookimpl
def airouter_commands() -> Iterable[Command]:
    return (
        Command(
            name="llamacpp",
            target="airouter_llamacpp.commands:llamacpp",
            help="See and stop the llama-server processes that airouter runs.",
        ),
    )
