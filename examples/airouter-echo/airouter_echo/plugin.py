"""What this distribution brings: values only, so that listing providers imports no implementation."""

from __future__ import annotations

from collections.abc import Iterable

from airouter_core.plugins.hookspecs import hookimpl
from airouter_core.profile.declarations import ParameterSupport, ProviderInfo

ECHO = ProviderInfo(
    name="echo",
    description="Repeats what it is told",
    target="airouter_echo.provider:EchoProvider",
    config_target="airouter_echo.provider:EchoConfig",
    kind="local",
    capabilities=("chat", "stream", "system_prompt"),
    parameters=(ParameterSupport("max_tokens", "max_words", minimum=1),),
    model_patterns=("echo",),
)


@hookimpl
def airouter_providers() -> Iterable[ProviderInfo]:
    return (ECHO,)
