"""CompatibleProvider: any service of the table, and any server that its settings describe."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from airouter_core.errors import ProtocolError
from airouter_core.flow.steps import Flow
from airouter_core.plugins.registry import Plugins
from airouter_core.profile.declarations import ProviderInfo
from airouter_core.provider.http import HttpProvider
from airouter_core.values.catalog import ModelInfo

from .config import ServiceConfig
from .endpoints import embeddings_of, models_of
from .wire import wire_of

MOST_PAGES = 100
"""Pages of a list of models that are asked for, whatever the service says."""


class CompatibleProvider(HttpProvider[ServiceConfig]):
    """A service that speaks chat completions, in the way its row says."""

    def __init__(self, config: ServiceConfig, info: ProviderInfo, plugins: Plugins | None = None) -> None:
        service = config.service
        declared = msgspec.structs.replace(info, capabilities=service.capabilities, parameters=service.parameters)
        super().__init__(config, declared, plugins)
        self.wire = wire_of(service)
        self.models = models_of(service)
        self._embeddings = embeddings_of(service)

    def models_flow(self) -> Flow[list[ModelInfo]]:
        size = self.config.service.page_size
        if not size:
            return (yield from self.operate(self.models))
        found: dict[str, ModelInfo] = {}
        for page in range(1, MOST_PAGES + 1):
            some = yield from self.operate(self.models, page)
            new = {model.id: model for model in some if model.id not in found}
            found |= new
            if len(some) < size or not new:
                break
        return list(found.values())

    def embeddings_flow(self, texts: Sequence[str], model: str | None) -> Flow[list[list[float]]]:
        vectors = yield from self.operate(self._embeddings, texts, model, model=model)
        if len(vectors) != len(texts):
            raise ProtocolError(f"the provider sent {len(vectors)} embeddings for {len(texts)} texts")
        return vectors
