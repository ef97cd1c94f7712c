"""What this distribution brings: values only."""

from __future__ import annotations

from collections.abc import Iterable

from airouter_core.plugins.hookspecs import hookimpl
from airouter_core.profile.declarations import FULL_CHAT, Command, ParameterSupport, ProviderInfo, not_taken

# As the newest API version and models take them; what older ones take besides is decided per call in profile.py.
# Fields: the Messages API as of 2026-11 (SDK anthropic 2.12.0, types/message_create_params.py).
NO_SAMPLING = "API version 2026-10-21 and all models from Claude 4.7 on take none"
NOT_TAKEN = "the Messages API has no such field"
PARAMETERS = (
    ParameterSupport("max_tokens", "max_tokens", minimum=0),
    ParameterSupport("stop", "stop_sequences"),
    ParameterSupport("temperature", reason=NO_SAMPLING),
    ParameterSupport("top_p", reason=NO_SAMPLING),
    ParameterSupport("top_k", reason=NO_SAMPLING),
    ParameterSupport("reasoning_effort", "output_config.effort", said_as={"minimal": "low"}),
    ParameterSupport("reasoning_budget", "thinking.budget_tokens", minimum=1024),
    ParameterSupport(
        "parallel_tool_calls", "tool_choice.disable_parallel_tool_use", said_as={True: False, False: True}
    ),
    ParameterSupport("user", "metadata.user_id"),
    ParameterSupport("service_tier", "service_tier", choices=("auto", "standard_only")),
    ParameterSupport("context", reason="the context is fixed by the model; list_models() says how long it is"),
    ParameterSupport("verbosity", reason=f"{NOT_TAKEN}; reasoning_effort also governs how much is said"),
    ParameterSupport("keep_alive", reason="models are always loaded"),
    ParameterSupport("n", reason=f"{NOT_TAKEN}; ask several times"),
    *not_taken(
        NOT_TAKEN,
        "min_p typical_p top_a seed presence_penalty frequency_penalty repeat_penalty repeat_last_n "
        "logit_bias logprobs top_logprobs grammar",
    ),
)

CLAUDE = ProviderInfo(
    name="claude",
    aliases=("anthropic",),
    description="Claude models, by Anthropic's Messages API",
    target="airouter_claude.provider:ClaudeProvider",
    config_target="airouter_claude.config:ClaudeConfig",
    kind="cloud",
    capabilities=(*FULL_CHAT, "vision", "documents", "reasoning", "token_counting", "batches"),
    parameters=PARAMETERS,
    model_patterns=("claude-*", "anthropic.claude-*"),
    api_key_env="ANTHROPIC_API_KEY",
)


@hookimpl
def airouter_providers() -> Iterable[ProviderInfo]:
    return (CLAUDE,)


@hookimpl
def airouter_commands() -> Iterable[Command]:
    return (Command(name="claude-batch", target="airouter_claude.commands:batch", help="Message batches of Claude."),)
