"""Making the layer of the ``[otel]`` table."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from airouter_core.errors import ConfigurationError

from .conventions import CONTENT_VARIABLE
from .telemetry import Telemetry

FIELDS = ("on", "content")


def telemetry(settings: Mapping[str, Any]) -> Telemetry:
    """The layer, with content where the table or the environment asks for it.

    Raises:
        ConfigurationError: the table says what it cannot.
    """
    if unknown := sorted(set(settings) - set(FIELDS)):
        raise ConfigurationError(f"[otel] takes {', '.join(FIELDS)}, not {', '.join(unknown)}")
    for name, value in settings.items():
        if not isinstance(value, bool):
            raise ConfigurationError(f"[otel] {name} must be true or false, not {value!r}")
    asked = os.environ.get(CONTENT_VARIABLE, "").strip().lower() == "true"
    return Telemetry(with_content=bool(settings.get("content", asked)))
