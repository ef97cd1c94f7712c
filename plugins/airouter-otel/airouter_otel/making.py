"""Making the layer of the ``[otel]`` table.

OpenTelemetry is imported when a program has set it up, and not before: until then nobody would see a span, and a call
passes at the price of one look.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from airouter_core.errors import ConfigurationError
from airouter_core.flow.layers import Answer, Layer
from airouter_core.flow.steps import Flow
from airouter_core.values.ask import Ask

from .conventions import CONTENT_VARIABLE

FIELDS = ("on", "content")
API = ("opentelemetry.trace", "opentelemetry.metrics")
"""Modules in which a program sets something up; providers of their own lead nowhere, and an SDK has others."""
SET_UP = ("OTEL_PYTHON_TRACER_PROVIDER", "OTEL_PYTHON_METER_PROVIDER")
"""Variables by which the API sets itself up when it is first used."""


def telemetry(settings: Mapping[str, Any]) -> Standby:
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
    return Standby(with_content=bool(settings.get("content", asked)))


class Standby:
    """In front of the layer of spans: steps aside until something is set up."""

    passes_on = True

    def __init__(self, *, with_content: bool) -> None:
        self.with_content = with_content
        self._layer: Layer | None = None
        # Looked up once: each look at the environment costs as much as the rest of this layer.
        self._is_asked_for = is_asked_for()

    def __call__(self, ask: Ask, answer: Answer) -> Flow[Any]:
        if self._layer is None and is_set_up(asked_for=self._is_asked_for):
            from .telemetry import Telemetry

            self._layer = Telemetry(with_content=self.with_content)
        return answer(ask) if self._layer is None else self._layer(ask, answer)


def is_asked_for() -> bool:
    """Whether the environment names somebody for spans or figures."""
    return any(map(os.environ.get, SET_UP))


def is_set_up(*, asked_for: bool) -> bool:
    """Whether spans or figures go anywhere by now.

    Args:
        asked_for: what :func:`is_asked_for` says.
    """
    if API[0] not in sys.modules and API[1] not in sys.modules and not asked_for:
        return False
    from opentelemetry import metrics, trace

    providers: tuple[object, ...] = (trace.get_tracer_provider(), metrics.get_meter_provider())
    return not all(type(provider).__module__.startswith(API) for provider in providers)
