"""Clouds and gateways: models of several makers behind one account."""

from __future__ import annotations

from collections.abc import Mapping

from airouter_core.profile.declarations import ParameterSupport

from ..service import CALLS, ErrorKind, Family, Service, efforts, taken

USUAL = ("temperature", "top_p", "max_tokens", "stop", "seed", "presence_penalty", "frequency_penalty")
OF_AZURE = taken(
    *USUAL,
    *("logit_bias", "n", "logprobs", "top_logprobs", "parallel_tool_calls", "user", "reasoning_effort"),
)
# Deployments have names of the customer's; those that are called by their model tell what they take.
AZURE_FAMILIES = (
    Family(
        names=r"(gpt-[5-9]|o\d).*",
        parameters=(ParameterSupport("max_tokens", "max_completion_tokens", minimum=1),),
    ),
)
AZURE_ERRORS: Mapping[str, ErrorKind] = {
    "deploymentnotfound": "model_not_found",
    "unknown_model": "model_not_found",
    "ratelimitreached": "rate_limit",
    "insufficientquota": "quota",
    "responsibleaipolicyviolation": "content_filter",
}
OF_AZURE_CAN = (*CALLS, "json_schema", "vision", "audio_input", "reasoning", "logprobs", "embeddings")

CLOUDS: tuple[Service, ...] = (
    Service(
        name="azure",
        aliases=("azure-openai", "azure-v1"),
        description="Azure OpenAI and Foundry, version 1 of their API; a model is the name of a deployment",
        base_url="{endpoint}/openai/v1",
        settings={"endpoint": ("AZURE_OPENAI_ENDPOINT",)},
        api_key_env=("AZURE_OPENAI_API_KEY",),
        key_header="api-key",
        capabilities=OF_AZURE_CAN,
        parameters=OF_AZURE,
        families=AZURE_FAMILIES,
        errors=AZURE_ERRORS,
        reset_headers=("x-ratelimit-reset-requests", "x-ratelimit-reset-tokens"),
        request_id_headers=("apim-request-id", "x-request-id"),
        own="airouter_compatible.own.azure:OWN",
        sources=("learn.microsoft.com: api-version-lifecycle", "37 recorded answers"),
    ),
    Service(
        name="azure-classic",
        aliases=("azure-deployments",),
        description="Azure OpenAI, the older API with a deployment and a version in each address",
        base_url="{endpoint}/openai",
        settings={"endpoint": ("AZURE_OPENAI_ENDPOINT",), "api_version": ("OPENAI_API_VERSION",)},
        query={"api-version": "{api_version}"},
        api_key_env=("AZURE_OPENAI_API_KEY",),
        key_header="api-key",
        path="deployments/{model}/chat/completions",
        embeddings_path="deployments/{model}/embeddings",
        capabilities=OF_AZURE_CAN,
        parameters=OF_AZURE,
        families=AZURE_FAMILIES,
        errors=AZURE_ERRORS,
        reset_headers=("x-ratelimit-reset-requests", "x-ratelimit-reset-tokens"),
        request_id_headers=("apim-request-id", "x-request-id"),
        own="airouter_compatible.own.azure:OWN",
        sources=("learn.microsoft.com: api-version-lifecycle", "16 recorded answers"),
    ),
    Service(
        name="databricks",
        description="Models served by a Databricks workspace",
        base_url="{host}/serving-endpoints",
        settings={"host": ("DATABRICKS_HOST",)},
        api_key_env=("DATABRICKS_TOKEN", "DATABRICKS_API_KEY"),
        capabilities=(*CALLS, "json_schema", "vision", "reasoning", "logprobs"),
        parameters=taken(
            *("temperature", "top_p", "top_k", "max_tokens", "stop", "n", "logprobs", "top_logprobs"),
            reasoning_effort=efforts("low", "medium", "high"),
        ),
        stream_usage=False,
        errors={
            "permission_denied": "permission",
            "resource_does_not_exist": "model_not_found",
            "endpoint_not_found": "model_not_found",
            "request_limit_exceeded": "rate_limit",
            "temporarily_unavailable": "overloaded",
        },
        sources=("LiteLLM's page on it", "10 recorded answers"),
    ),
    Service(
        name="vercel",
        aliases=("ai-gateway", "vercel-ai-gateway"),
        description="Vercel AI Gateway: models of many makers behind one key",
        base_url="https://ai-gateway.vercel.sh/v1",
        api_key_env=("AI_GATEWAY_API_KEY", "VERCEL_AI_GATEWAY_API_KEY", "VERCEL_OIDC_TOKEN"),
        capabilities=(*CALLS, "json_schema", "vision", "reasoning", "embeddings"),
        parameters=taken(
            *USUAL,
            "parallel_tool_calls",
            reasoning_effort="reasoning.effort",
            reasoning_budget=ParameterSupport("reasoning_budget", "reasoning.max_tokens", minimum=1),
        ),
        reasoning_fields=("reasoning", "reasoning_content"),
        reasoning_sent="reasoning",
        kept_fields=("reasoning_details",),
        growing_fields=("text", "summary"),
        errors={"insufficient_funds": "quota", "customer_verification_required": "quota"},
        cost="cost",
        metadata_fields=("generationId", "provider_metadata"),
        model_fields={"context_length": "context_window", "max_output_tokens": "max_tokens"},
        sources=("vercel.com/docs/ai-gateway: reasoning", "14 recorded answers"),
    ),
    Service(
        name="cloudflare",
        aliases=("workers-ai", "cloudflare-workers-ai"),
        description="Cloudflare Workers AI: open models",
        base_url="https://api.cloudflare.com/client/v4/accounts/{account_id}/ai/v1",
        settings={"account_id": ("CLOUDFLARE_ACCOUNT_ID",)},
        models_path="../models/search",
        model_fields={"id": "name"},
        page_size=100,
        api_key_env=("CLOUDFLARE_API_KEY", "CLOUDFLARE_API_TOKEN"),
        capabilities=(*CALLS, "json_schema", "vision", "embeddings"),
        parameters=taken(*USUAL, "top_k", repeat_penalty="repetition_penalty"),
        # Its own codes: developers.cloudflare.com/workers-ai/platform/errors, and recorded answers.
        errors={
            "10000": "authentication",
            "10001": "authentication",
            "5007": "model_not_found",
            "5018": "permission",
            "3036": "quota",
            "3039": "rate_limit",
            "3040": "overloaded",
        },
        own="airouter_compatible.own.cloudflare:OWN",
        sources=("developers.cloudflare.com: open-ai-compatibility", "40 recorded answers, most of its native API"),
    ),
)
