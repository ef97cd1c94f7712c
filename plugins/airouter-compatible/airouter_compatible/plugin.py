"""What this distribution brings: values only. The services are in ``table``."""

from __future__ import annotations

from collections.abc import Iterable

from airouter_core.plugins.hookspecs import hookimpl
from airouter_core.profile.declarations import ProviderInfo

from .service import CALLS, Service, taken
from .table.clouds import CLOUDS
from .table.hosts import HOSTS, OF_VLLM, USUAL
from .table.local import LOCAL
from .table.makers import MAKERS

SERVICES = (*MAKERS, *HOSTS, *CLOUDS, *LOCAL)

ANY = Service(
    name="compatible",
    description="Any other server that speaks chat completions, as its settings describe it",
    capabilities=(*CALLS, "json_schema", "vision", "documents", "audio_input", "reasoning", "logprobs", "embeddings"),
    parameters=taken(*USUAL, *OF_VLLM, "user", "reasoning_effort", repeat_penalty="repetition_penalty"),
    reasoning_sent="reasoning_content",
)
"""The row that a user's own settings complete."""


def info_of(service: Service) -> ProviderInfo:
    """What is declared of a service."""
    variables = (
        *service.api_key_env,
        *service.base_url_env,
        *(name for names in service.settings.values() for name in names),
    )
    return ProviderInfo(
        name=service.name,
        aliases=service.aliases,
        description=service.description,
        target="airouter_compatible.provider:CompatibleProvider",
        config_target=f"airouter_compatible.config:{config_name(service.name)}",
        kind=service.kind,
        capabilities=service.capabilities,
        parameters=service.parameters,
        api_key_env=service.api_key_env[0] if service.kind == "cloud" and service.api_key_env else None,
        listed="when configured",
        environment=variables,
    )


def config_name(service: str) -> str:
    """The name of the class of its configuration: of ``azure-classic``, ``AzureClassicConfig``."""
    return "".join(map(str.capitalize, service.split("-"))) + "Config"


COMPATIBLE = tuple(map(info_of, (*SERVICES, ANY)))


@hookimpl
def airouter_providers() -> Iterable[ProviderInfo]:
    return COMPATIBLE
