"""What this distribution brings: values only."""

from __future__ import annotations

from collections.abc import Iterable

from airouter_core.plugins.hookspecs import hookimpl
from airouter_core.profile.declarations import ProviderInfo

ROUTER = ProviderInfo(
    name="router",
    aliases=("route",),
    description="routes: one name for several models, with failover, weights, limits and health",
    target="airouter_router.provider:RouterProvider",
    config_target="airouter_router.config:RouterConfig",
    kind="cloud",  # what is behind a route may be anywhere
    capabilities=(
        "routing",
        "chat",
        "stream",
        "system_prompt",
        "tools",
        "tool_choice",
        "json",
        "json_schema",
        "vision",
        "documents",
        "audio_input",
        "reasoning",
        "logprobs",
        "embeddings",
        "rerank",
    ),
    listed="when configured",
)


@hookimpl
def airouter_providers() -> Iterable[ProviderInfo]:
    return (ROUTER,)
