"""The layers around providers: those that plugins declare, and those that a program gives, each in its position."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..errors import ConfigurationError, PluginLoadError
from ..flow.layers import Layer
from ..profile.declarations import POSITIONS, LayerInfo, Position

GivenLayer = Layer | tuple[Position, Layer]
"""A layer of a program: outermost unless it names a position."""


def checked(layers: Iterable[GivenLayer]) -> list[tuple[Position, Layer]]:
    """A program's layers with their positions.

    Raises:
        ConfigurationError: one is no layer, or stands nowhere.
    """
    found: list[tuple[Position, Layer]] = []
    for given in layers:
        position, layer = given if isinstance(given, tuple) else (POSITIONS[0], given)
        if position not in POSITIONS:
            raise ConfigurationError(f"a layer stands at one of {', '.join(POSITIONS)}, not at {position!r}")
        if not callable(layer):
            raise ConfigurationError(f"a layer is a function of an ask and an answer, not {layer!r}")
        found.append((position, layer))
    return found


def made(info: LayerInfo, settings: Mapping[str, Any]) -> Layer:
    """The layer that a plugin declares.

    Raises:
        PluginLoadError: it cannot be imported or made. The call is refused then: without the budget, the limit or the
            filter that somebody has installed, it must not go out.
    """
    module, _, attribute = info.target.partition(":")
    try:
        make: Callable[[Mapping[str, Any]], Layer] = getattr(importlib.import_module(module), attribute)
        layer = make(settings)
    except ConfigurationError:
        raise
    except Exception as error:  # a stranger's code
        raise PluginLoadError(
            f"the layer {info.name!r} of {info.distribution} cannot be made of {info.target!r} "
            f"({type(error).__name__}: {error}); upgrade or uninstall it, or set "
            f"AIROUTER_DISABLED_PLUGINS={info.distribution}"
        ) from error
    if not callable(layer):
        raise PluginLoadError(f"the layer {info.name!r} of {info.distribution}: {info.target!r} made {layer!r}")
    return layer


def in_position(layers: Iterable[tuple[Position, str, Layer]]) -> Sequence[Layer]:
    """By position, the outermost first; within one by name, so that no order of installation matters."""
    return [layer for *_, layer in sorted(layers, key=lambda named: (POSITIONS.index(named[0]), named[1]))]
