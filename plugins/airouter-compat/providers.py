"""The names that the original provider system promised, served by airouter.

``from providers import create_provider, list_providers, ProviderManager`` and the rest work as they did, and
so do its loggers: ``logging.getLogger("providers.openai_provider")`` sets the level of airouter's and sees its records.
"""

from __future__ import annotations

import logging

from airouter_core import (
    Provider,
    ProviderManager,
    create_provider,
    list_providers,
    validate_provider_config,
)

__all__ = [
    "Provider",
    "ProviderManager",
    "create_provider",
    "list_providers",
    "validate_provider_config",
]


def _lead_loggers() -> None:
    """Put the old loggers between airouter's loggers and their parent, so that levels and handlers set there count."""
    logging.getLogger("providers").parent = logging.getLogger("airouter")
    for info in list_providers():
        ours = logging.getLogger(f"airouter.{info.name}")
        ours.parent = logging.getLogger(f"providers.{info.name.replace('-', '_')}_provider")


_lead_loggers()
