"""A made-up provider that speaks chat completions and nothing of its own: the first subject of the kit."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from airouter_core.config.fields import setting
from airouter_core.config.http import HttpConfig
from airouter_core.config.loading import require_api_key
from airouter_core.dialects.chat_completions.dialect import ChatDialect
from airouter_core.dialects.chat_completions.endpoints import base_model, embeddings_operation, models_operation
from airouter_core.dialects.chat_completions.errors import COMMON_CODES
from airouter_core.flow.steps import Flow
from airouter_core.plugins.hookspecs import hookimpl
from airouter_core.profile.declarations import ParameterSupport, ProviderInfo
from airouter_core.provider.http import HttpProvider
from airouter_core.values.catalog import Ranked
from airouter_core.wire.failures import ErrorTable
from airouter_core.wire.http import HttpRequest, Operation, json_request
from airouter_core.wire.json import decoded_object

PARAMETERS = (
    ParameterSupport("temperature", "temperature", minimum=0, maximum=2),
    ParameterSupport("top_p", "top_p"),
    ParameterSupport("max_tokens", "max_tokens", minimum=1),
    ParameterSupport("stop", "stop"),
    ParameterSupport("seed", "seed"),
    ParameterSupport("frequency_penalty", "frequency_penalty"),
    ParameterSupport("reasoning_effort", "reasoning_effort", said_as={"minimal": "low"}),
    ParameterSupport("repeat_penalty", reason="its servers have no such thing"),
)

SAMPLE = ProviderInfo(
    name="sample",
    aliases=("sample-chat",),
    description="A made-up service",
    target="sample_plugin:SampleProvider",
    config_target="sample_plugin:SampleConfig",
    capabilities=(
        "chat",
        "stream",
        "system_prompt",
        "tools",
        "tool_choice",
        "json_schema",
        "vision",
        "embeddings",
        "rerank",
    ),
    parameters=PARAMETERS,
    api_key_env="SAMPLE_API_KEY",
)


@attrs.frozen(kw_only=True)
class SampleConfig(HttpConfig):
    """Its settings."""

    base_url: str = setting("string", default="https://sample.invalid/v1")


def headers(config: SampleConfig) -> dict[str, str]:
    """The key, which is needed."""
    key = require_api_key(config.api_key, provider=SAMPLE.name, variable=SAMPLE.api_key_env)
    return {"Authorization": f"Bearer {key}"}


DIALECT = ChatDialect(
    provider=SAMPLE.name,
    errors=ErrorTable(SAMPLE.name, COMMON_CODES),
    headers=headers,
)


def _ranking(config: SampleConfig, query, documents, model) -> HttpRequest:
    body = {"model": model, "query": query, "documents": list(documents)}
    return json_request(config, "POST", "rerank", body, headers=headers(config))


RANKING = Operation(
    build=_ranking, parse=lambda body: [Ranked(one["index"], one["score"]) for one in decoded_object(body)["results"]]
)


class SampleProvider(HttpProvider[SampleConfig]):
    """Its provider."""

    wire = DIALECT.wire()
    models = models_operation(lambda entry: base_model(SAMPLE.name, entry))

    def embeddings_flow(self, texts, model) -> Flow[list[list[float]]]:
        return self.operate(embeddings_operation(), texts, model)

    def ranking_flow(self, query, documents, model, limit) -> Flow[list[Ranked]]:
        return self.operate(RANKING, query, documents, model)


class SamplePlugin:
    """Its hooks."""

    @hookimpl
    def airouter_providers(self) -> Iterable[ProviderInfo]:
        return (SAMPLE,)
