"""Who is asking, and with which key."""

from __future__ import annotations

from airouter_core.config.loading import require_api_key
from airouter_core.wire.http import bearer

from .config import OpenRouterConfig
from .plugin import OPENROUTER


def headers(config: OpenRouterConfig) -> dict[str, str]:
    """The key, if there is one, and the program that asks (OpenRouter's app-attribution page)."""
    said = {
        "X-OpenRouter-Title": config.app_name,
        "HTTP-Referer": config.app_url,
        "X-OpenRouter-Categories": ",".join(config.app_categories),
    }
    return {**bearer(config), **{name: value for name, value in said.items() if value}}


def headers_with_key(config: OpenRouterConfig) -> dict[str, str]:
    """As :func:`headers`, where nothing goes without a key.

    Raises:
        MissingApiKeyError: there is none.
    """
    require_api_key(config.api_key, provider=OPENROUTER.name, variable=OPENROUTER.api_key_env)
    return headers(config)
