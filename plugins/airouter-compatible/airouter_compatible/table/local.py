"""Servers of one's own."""

from __future__ import annotations

from airouter_core.profile.declarations import ParameterSupport

from ..service import CALLS, Service, taken
from .hosts import OF_VLLM, USUAL

KEEPS_LOADED = ParameterSupport("keep_alive", reason="the server keeps its model loaded")
THINKING_OFF = ParameterSupport("reasoning_effort", "chat_template_kwargs.enable_thinking", said_as={"none": False})
SEES = (*CALLS, "json_schema", "vision", "reasoning", "logprobs", "embeddings")

LOCAL: tuple[Service, ...] = (
    Service(
        name="vllm",
        description="A vLLM server",
        kind="local",
        base_url="http://localhost:8000/v1",
        capabilities=(*SEES, "audio_input"),
        parameters=taken(
            *USUAL,
            *OF_VLLM,
            *("user", "reasoning_effort"),
            repeat_penalty="repetition_penalty",
            grammar="structured_outputs.grammar",
            keep_alive=KEEPS_LOADED,
        ),
        no_reasoning=THINKING_OFF,
        reasoning_fields=("reasoning", "reasoning_content"),
        reasoning_sent="reasoning",
        finish_reasons={"abort": "error", "repetition": "other"},
        model_fields={"context_length": "max_model_len"},
        sources=("vLLM docs/serving/openai_compatible_server.md", "13 recorded answers"),
    ),
    Service(
        name="lmstudio",
        aliases=("lm-studio",),
        description="LM Studio's server",
        kind="local",
        base_url="http://localhost:1234/v1",
        api_key_env=("LM_API_TOKEN",),
        capabilities=(*CALLS, "json_schema", "vision", "reasoning", "embeddings"),
        parameters=taken(*USUAL, "top_k", "logit_bias", "repeat_penalty", keep_alive="ttl"),
        sources=("lmstudio.ai/docs/developer/openai-compat",),
    ),
    Service(
        name="sglang",
        description="An SGLang server",
        kind="local",
        base_url="http://localhost:30000/v1",
        capabilities=SEES,
        parameters=taken(
            *USUAL, *OF_VLLM, "user", "reasoning_effort", repeat_penalty="repetition_penalty", keep_alive=KEEPS_LOADED
        ),
        no_reasoning=THINKING_OFF,
        reasoning_sent="reasoning_content",
        finish_reasons={"abort": "error"},
        model_fields={"context_length": "max_model_len"},
        sources=("SGLang's page on its OpenAI-compatible API", "matched_stop in 412 recorded chunks of a host"),
    ),
    Service(
        name="llamafile",
        description="A llamafile, which is a llama.cpp server in one file",
        kind="local",
        base_url="http://127.0.0.1:8080/v1",
        base_url_env=("LLAMAFILE_API_BASE",),
        capabilities=(*CALLS, "json_schema", "vision", "reasoning", "logprobs", "embeddings"),
        parameters=taken(
            *USUAL,
            *("top_k", "min_p", "typical_p", "repeat_penalty", "repeat_last_n", "logit_bias", "logprobs", "grammar"),
            *("top_logprobs", "parallel_tool_calls"),
            keep_alive=KEEPS_LOADED,
        ),
        reasoning_sent="reasoning_content",
        model_fields={"context_length": "meta.n_ctx_train"},
        errors={"exceed_context_size_error": "context_length", "not_supported_error": "bad_request"},
        sources=("LiteLLM's page on it; a llama.cpp server",),
    ),
    Service(
        name="tgi",
        aliases=("text-generation-inference",),
        description="A Text Generation Inference server; the model is called tgi",
        kind="local",
        base_url="http://localhost:8080/v1",
        capabilities=(*CALLS, "json_schema", "vision", "logprobs"),
        parameters=taken(*USUAL, "logit_bias", "n", "logprobs", "top_logprobs", keep_alive=KEEPS_LOADED),
        errors={"validation": "bad_request", "overloaded": "overloaded", "incomplete_generation": "server"},
        sources=("huggingface/text-generation-inference docs/openapi.json",),
    ),
)
