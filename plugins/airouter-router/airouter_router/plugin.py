"""What this distribution brings: values only."""

from __future__ import annotations

from collections.abc import Iterable

from airouter_core.plugins.hookspecs import hookimpl
from airouter_core.profile.declarations import FULL_CHAT, Command, ProviderInfo, SettingsTable

ROUTER = ProviderInfo(
    name="router",
    aliases=("route",),
    description="routes: one name for several models, with failover, weights, limits and health",
    target="airouter_router.provider:RouterProvider",
    config_target="airouter_router.config:RouterConfig",
    kind="cloud",  # what is behind a route may be anywhere
    capabilities=(
        "routing",
        *FULL_CHAT,
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


@hookimpl
def airouter_tables() -> Iterable[SettingsTable]:
    return (
        SettingsTable(
            name="routes", description="one name for several models: who is asked, and who next", provider=ROUTER.name
        ),
        SettingsTable(name="targets", description="weights, limits, price ceilings of the targets of routes"),
        SettingsTable(name="prices", description="your own prices, in dollars per million tokens", harmless=True),
    )


@hookimpl
def airouter_commands() -> Iterable[Command]:
    return (
        Command(
            name="routes",
            target="airouter_router.commands:routes",
            help="Show routes, and whom they would ask; take them over from elsewhere.",
        ),
    )
