"""LlamaCppProvider: one wire, whichever way the model is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from airouter_core.declarations import ProviderInfo
from airouter_core.errors import ConfigurationError
from airouter_core.http_provider import HttpProvider
from airouter_core.provider import Surroundings
from airouter_core.transports.flow import Do, Flow, given
from airouter_core.values.catalog import ModelInfo
from airouter_core.values.request import Request

from .config import LlamaCppConfig
from .engine import INSTALL, Engine, Engines, EngineSettings, is_installed
from .folder import ModelFile, ModelFolder
from .wire import EMBEDDINGS, MODELS, TOKENIZE, WIRE, lacks_model_name

LARGEST_DEFAULT_CONTEXT = 8192
"""Tokens. Long contexts cost memory by the token, and models now are trained for a million."""


SMALL = 64 * 1024 * 1024
"""Bytes. A model this small is slower on many threads than on one, since they wait for each other at every layer."""


class LlamaCppProvider(HttpProvider[LlamaCppConfig]):
    """GGUF models, run inside this process or by a llama-server elsewhere."""

    wire = WIRE
    models = MODELS

    def __init__(self, config: LlamaCppConfig, info: ProviderInfo, plugins: Surroundings | None = None) -> None:
        super().__init__(config, info, plugins)
        self._engines = Engines(config.max_engines)
        self._folder = ModelFolder(config.models_dir) if config.models_dir else None
        if config.effective_mode == "remote" and not config.base_url:
            raise ConfigurationError('llama-cpp: mode "remote" needs the base_url of a running llama-server')

    def models_flow(self) -> Flow[list[ModelInfo]]:
        if self.config.effective_mode == "remote":
            return (yield from self.operate(self.models))
        folder = self._required_folder()
        listed: list[ModelInfo] = yield Do(folder.models)
        return listed

    def tokens_flow(self, text: str, model: str | None) -> Flow[int]:
        return self.operate(TOKENIZE, text, model=model)

    def embeddings_flow(self, texts: Sequence[str], model: str | None) -> Flow[list[list[float]]]:
        return self.operate(EMBEDDINGS, texts, model, model=model, embedding=True)

    def connect(self, model: str | None, request: Request | None, **options: Any) -> Flow[LlamaCppConfig]:
        """Start the engine that runs the model, unless a server elsewhere does."""
        if self.config.effective_mode == "remote":
            return given(self.config)
        return self._connect_engine(model, request, embedding=bool(options.get("embedding")))

    def disconnect(self, config: LlamaCppConfig) -> None:
        if isinstance(config, _EngineConfig) and config.engine is not None:
            self._engines.release(config.engine)

    def check(self) -> None:
        if self.config.effective_mode == "embedded" and not is_installed():
            raise ConfigurationError(
                f"running models inside the process needs an engine that is not installed: {INSTALL}"
            )
        super().check()

    def details(self) -> Mapping[str, Any]:
        """Which mode is used and why, and which models are loaded."""
        mode = self.config.effective_mode
        chosen = (
            "as configured" if self.config.mode != "auto" else "base_url is set" if mode == "remote" else "no base_url"
        )
        return {
            "mode": mode,
            "mode_reason": chosen,
            "models_dir": self.config.models_dir,
            "loaded": [engine.settings.path for engine in self._engines.running()],
        }

    def close(self) -> None:
        """Close all connections and stop all engines."""
        super().close()
        self._engines.close()

    def _connect_engine(self, model: str | None, request: Request | None, *, embedding: bool) -> Flow[LlamaCppConfig]:
        if model is None:
            raise lacks_model_name()
        folder = self._required_folder()
        found: ModelFile = yield Do(lambda: folder.find(model))
        settings = self._settings(found, request, embedding=embedding)
        engine: Engine = yield Do(lambda: self._engines.acquire(settings))
        values = {field.name: getattr(self.config, field.name) for field in attrs.fields(LlamaCppConfig)}
        return _EngineConfig(**{**values, "base_url": engine.address, "api_key": engine.api_key, "engine": engine})

    def _settings(self, found: ModelFile, request: Request | None, *, embedding: bool) -> EngineSettings:
        trained = found.header.context_length or LARGEST_DEFAULT_CONTEXT
        context = self.config.default_context or min(trained, LARGEST_DEFAULT_CONTEXT)
        if request is not None:
            context = request.parameter("context", context)
        return EngineSettings(
            path=found.path,
            projector=found.mmproj,
            context=context * self.config.parallel,
            threads=self.config.default_threads or (1 if found.size < SMALL else None),
            gpu_layers=self.config.default_gpu_layers,
            parallel=self.config.parallel,
            port=self.config.port,
            embedding=embedding,
            log_level=self.config.log_level,
        )

    def _required_folder(self) -> ModelFolder:
        if self._folder is None:
            raise ConfigurationError(
                "llama-cpp needs models_dir, the folder with your GGUF files: pass {'models_dir': ...}, or set "
                "AIROUTER_MODELS_DIR (or set base_url to a running llama-server)"
            )
        return self._folder


@attrs.frozen(kw_only=True)
class _EngineConfig(LlamaCppConfig):
    """The configuration of one call: its engine's address and key in place of a server's."""

    engine: Engine | None = attrs.field(default=None, repr=False)
