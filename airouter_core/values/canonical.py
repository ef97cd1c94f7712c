"""The canonical parameters and the spellings people use for them.

An alias means exactly what its canonical name means; a spelling that means something else to somebody (``best_of`` is
not ``n``, a frequency penalty is not a repeat penalty) is no alias. Ranges here are the widest that any provider
takes; a provider's own are in its :class:`~airouter_core.profile.declarations.ParameterSupport` rows.
"""

from __future__ import annotations

from collections.abc import Mapping

from .parameters import Parameter

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

CANONICAL: tuple[Parameter, ...] = (
    Parameter(
        "temperature",
        "number",
        ("temp", "randomness", "sampling_temperature"),
        minimum=0,
        description="How freely the model chooses; 0 takes the likeliest token each time.",
    ),
    Parameter(
        "top_p",
        "number",
        ("nucleus_sampling", "nucleus", "topp", "top-p"),
        minimum=0,
        maximum=1,
        description="Choose among the likeliest tokens that together have this probability.",
    ),
    Parameter(
        "top_k",
        "integer",
        ("topk", "top-k"),
        minimum=0,
        description="Choose among this many likeliest tokens; 0 means no limit.",
    ),
    Parameter(
        "min_p",
        "number",
        ("minp", "min-p"),
        minimum=0,
        maximum=1,
        description="Leave out tokens less likely than this share of the likeliest one.",
    ),
    Parameter("typical_p", "number", ("typical",), minimum=0, maximum=1, description="Locally typical sampling."),
    Parameter("top_a", "number", minimum=0, maximum=1, description="Top-a sampling."),
    Parameter(
        "max_tokens",
        "integer",
        (
            "max_length",
            "max_output_tokens",
            "max_completion_tokens",
            "max_new_tokens",
            "max_gen_tokens",
            "max_tokens_to_sample",
            "maxOutputTokens",
            "max_len",
            "num_predict",
            "n_predict",
        ),
        minimum=0,
        unit="tokens",
        description="The most tokens the answer may have.",
    ),
    Parameter(
        "context",
        "integer",
        (
            "context_length",
            "ctx_size",
            "ctx-size",
            "num_ctx",
            "n_ctx",
            "ctx",
            "context_size",
            "context_window",
            "max_context",
            "max_seq_len",
        ),
        minimum=1,
        unit="tokens",
        description="How many tokens prompt and answer share.",
    ),
    Parameter(
        "stop",
        "strings",
        ("stop_sequences", "stops", "stop_words", "stop_strings", "antiprompt", "reverse_prompt", "until"),
        description="Texts at which the answer ends; they are not part of it.",
    ),
    Parameter(
        "seed",
        "integer",
        ("random_seed", "rng_seed"),
        description="The same seed and request give the same answer, as far as the provider can.",
    ),
    Parameter(
        "presence_penalty",
        "number",
        ("presence", "pres_pen"),
        minimum=-2,
        maximum=2,
        description="Make tokens that have appeared less likely, however often they did.",
    ),
    Parameter(
        "frequency_penalty",
        "number",
        ("frequency", "freq_penalty", "freq_pen"),
        minimum=-2,
        maximum=2,
        description="Make tokens less likely for each time they have appeared.",
    ),
    Parameter(
        "repeat_penalty",
        "number",
        ("repetition_penalty", "rep_pen"),
        above=0,
        description="Divide the likelihood of tokens that have appeared; above 1 repeats less.",
    ),
    Parameter(
        "repeat_last_n",
        "integer",
        ("rep_pen_range", "penalty_last_n"),
        minimum=-1,
        unit="tokens",
        description="How far back repeat_penalty looks.",
    ),
    Parameter("logit_bias", "mapping", description="Added to the likelihood of tokens, by token id."),
    Parameter(
        "n",
        "integer",
        ("num_completions", "num_return_sequences", "candidate_count", "n_cmpl"),
        minimum=1,
        maximum=128,
        description="How many answers to make.",
    ),
    Parameter("logprobs", "boolean", description="Report the likelihood of each token of the answer."),
    Parameter(
        "top_logprobs",
        "integer",
        ("n_probs",),
        minimum=0,
        maximum=20,
        description="Report this many alternatives for each token.",
    ),
    Parameter("grammar", "string", ("gbnf",), description="A GBNF grammar that the answer must follow."),
    Parameter(
        "reasoning_effort",
        "string",
        ("effort", "thinking_level"),
        choices=EFFORTS,
        description="How much the model thinks before it answers.",
    ),
    Parameter(
        "reasoning_budget",
        "integer",
        ("budget_tokens", "thinking_budget", "thinking_budget_tokens", "reasoning_budget_tokens"),
        minimum=0,
        unit="tokens",
        description="The most tokens the model may think.",
    ),
    Parameter(
        "verbosity", "string", choices=("low", "medium", "high", "xhigh", "max"), description="How much it says."
    ),
    Parameter("parallel_tool_calls", "boolean", description="Whether the model may call several tools in one answer."),
    Parameter(
        "user",
        "string",
        ("user_id", "safety_identifier"),
        description="An opaque name for the end user, for the provider's abuse checks.",
    ),
    Parameter("keep_alive", "any", ("ttl",), description="How long the model stays loaded after the call."),
    Parameter("service_tier", "string", description="Which of the provider's service levels to use."),
    Parameter(
        "prompt_cache_key",
        "string",
        ("cache_key",),
        description="One name for calls whose prompts begin alike, so that the provider's cache finds them.",
    ),
)

ELSEWHERE: Mapping[str, str] = {
    "model": "the first argument",
    "prompt": "an argument of execute()",
    "messages": "an argument of chat()",
    "system": "system_prompt= of execute(), or a system message of chat()",
    "system_prompt": "system_prompt= of execute(), or a system message of chat()",
    "instructions": "system_prompt= of execute(), or a system message of chat()",
    "stream": "stream_execute() or stream_chat()",
    "tools": "tools= of chat()",
    "functions": "tools= of chat()",
    "tool_choice": "tool_choice= of chat()",
    "response_format": "response_format= of chat()",
    "format": "response_format= of chat()",
    "json_schema": "response_format= of chat()",
    "json_mode": 'response_format="json" of chat()',
    "timeout": "the provider's configuration",
    "api_key": "the provider's configuration",
    "base_url": "the provider's configuration",
}
"""What people give as a parameter, and where it belongs."""

NAMES: Mapping[str, str] = {spelling: row.name for row in CANONICAL for spelling in row.aliases}
"""The canonical name of each other spelling."""

INSTEAD: Mapping[str, Mapping[object, str]] = {
    "max_tokens": {-1: "leave it out for no limit"},
    "context": {-1: "leave it out for the usual one", 0: "leave it out for the usual one"},
    "seed": {-1: "leave it out for a random one"},
    "temperature": {-1: "give 0 for the likeliest token each time"},
    "top_k": {-1: "give 0 for no limit"},
    "repeat_last_n": {-1: "give as many tokens as the context has"},
    "reasoning_budget": {-1: "leave it out for no limit"},
    "reasoning_effort": {True: "give a level such as 'medium'", False: "give 'none'"},
}
"""What to give for a value that means something elsewhere and is out of range here."""
