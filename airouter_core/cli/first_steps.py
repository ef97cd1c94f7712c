"""What ``airouter`` alone says: what to do first, here and now."""

from __future__ import annotations

import os

from ..errors import ConfigurationError
from ..plugins.registry import installed
from .targets import NO_PROVIDER, current_settings


def first_steps() -> str:
    """A few lines that fit a small terminal: the next step, and where the rest is told."""
    if not installed().providers():
        steps = [NO_PROVIDER, "then: airouter setup"]
    elif model := _default():
        steps = [
            f'airouter run "your question"   asks {model}',
            "airouter chat                  talks with it",
            "airouter models                lists what else there is",
        ]
    else:
        steps = [
            "airouter setup                        a provider, a key, a default model",
            'airouter run -m PROVIDER/MODEL "hi"   asks one model',
            "airouter providers                    lists the providers that are installed",
        ]
    return "\n".join(
        ["airouter: one interface to any language model.", "", *steps, "", "airouter --help lists the rest."]
    )


def _default() -> str | None:
    try:
        file = current_settings()
    except ConfigurationError as error:
        return f"nobody yet ({error})"
    provider = os.environ.get("AIROUTER_PROVIDER") or (file.provider if file else None)
    model = os.environ.get("AIROUTER_MODEL") or (file.model if file else None)
    return "/".join(filter(None, (provider, model))) or None
