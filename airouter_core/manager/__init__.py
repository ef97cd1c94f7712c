"""Providers by name, and the addresses that mean one of them: the way in for routers, gateways and bulk runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .comparison import Comparison as Comparison
    from .providers import ProviderManager as ProviderManager


def __getattr__(name: str) -> Any:
    # Imported when it is used: a command that only reads addresses needs no provider.
    if name == "ProviderManager":
        from .providers import ProviderManager

        return ProviderManager
    if name == "Comparison":
        from .comparison import Comparison

        return Comparison
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
