"""What the providers' own lists say of their models: context, abilities, prices; asked for where a route wants to know.

A route with ``require = "known"`` asks nobody of whom it is not known that it fits. What ``[targets]`` says counts
first; of the others the provider's list is fetched by the first call, and again after an hour.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

from airouter_core.values.catalog import ModelInfo

from .reading import Limits
from .routes import Route, Target, targets_of

LIFE = 3600.0
"""Seconds for which a list counts."""
PAUSE = 60.0
"""Seconds until a provider is asked again that could not tell."""
PATIENCE = 10.0
"""Seconds that a list may take; calls wait for it."""
OF_MODALITIES = {"image": "vision", "file": "documents", "audio": "audio_input"}
OF_PARAMETERS = {
    "tools": "tools",
    "response_format": "json",
    "structured_outputs": "json_schema",
    "reasoning": "reasoning",
    "reasoning_effort": "reasoning",
}


class Catalog:
    """The lists of all providers of a router.

    Attributes:
        is_empty: whether nobody has told anything yet.
    """

    def __init__(self) -> None:
        self._models: dict[Target, ModelInfo] = {}
        self._until: dict[str, float] = {}
        self._wanted: dict[str, frozenset[str]] = {}
        self._lock = threading.Lock()
        self.is_empty = True

    def missing(self, route: Route, settings: Mapping[str, Limits], now: float) -> list[str]:
        """The providers whose lists a route wants to know and nobody has asked for; the caller asks them now."""
        wanted = self._wanted.get(route.name)
        if wanted is None:
            unsaid = (target for target in targets_of(route.tree) if not _is_said(settings.get(str(target))))
            wanted = self._wanted[route.name] = frozenset(target.provider for target in unsaid)
        with self._lock:
            found = [name for name in sorted(wanted) if self._until.get(name, now) <= now]
            self._until.update(dict.fromkeys(found, now + PAUSE))
        return found

    def learn(self, provider: str, models: Iterable[ModelInfo], now: float) -> None:
        """A provider has told its models."""
        with self._lock:
            self._until[provider] = now + LIFE
            self.is_empty = False
            self._models.update({Target(provider, model.id): model for model in models})

    def model(self, target: Target) -> ModelInfo | None:
        """What its provider says of a model; ``None`` of one that is not listed."""
        return self._models.get(target)


def abilities(model: ModelInfo) -> frozenset[str] | None:
    """What a model can do, as capabilities; ``None`` where its provider does not say."""
    said = (model.capabilities, model.input_modalities, model.supported_parameters)
    if said == (None, None, None):
        return None
    found = set(model.capabilities or ())
    found |= {OF_MODALITIES[word] for word in model.input_modalities or () if word in OF_MODALITIES}
    found |= {OF_PARAMETERS[word] for word in model.supported_parameters or () if word in OF_PARAMETERS}
    return frozenset(found)


def _is_said(limits: Limits | None) -> bool:
    return limits is not None and limits.context is not None and limits.capabilities is not None
