"""What this distribution declares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airouter_core.plugins.hookspecs import hookimpl
from airouter_core.profile.declarations import LayerInfo


@hookimpl
def airouter_layers(settings: Mapping[str, Any]) -> Iterable[LayerInfo]:
    """Spans and figures, unless ``[otel] on = false``."""
    if settings.get("on", True) is not False:
        yield LayerInfo("telemetry", "airouter_otel.making:telemetry", "admit")
