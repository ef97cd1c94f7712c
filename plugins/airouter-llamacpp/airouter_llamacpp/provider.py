"""LlamaCppProvider: one wire, whichever way the model is run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from airouter_core.errors import ExecutionError, UnsupportedFeatureError
from airouter_core.flow.steps import Do, Emit, Flow
from airouter_core.plugins.registry import Plugins
from airouter_core.profile.declarations import ParameterSupport, ProviderInfo
from airouter_core.provider.http import HttpProvider
from airouter_core.values.catalog import ModelInfo, Ranked
from airouter_core.values.events import Warned
from airouter_core.values.request import Request

from .config import LlamaCppConfig
from .engines.progress import LoadProgress
from .folder import ModelFolder
from .modes.base import Setting
from .modes.choice import chosen
from .modes.pooled import Pooled
from .modes.server import Server
from .programs.system import system_for
from .wire import EMBEDDINGS, MODELS, RANKING, TOKENIZE, WIRE


class LlamaCppProvider(HttpProvider[LlamaCppConfig]):
    """GGUF models: run by a llama-server elsewhere or beside this process, inside it, or by llama-cli."""

    wire = WIRE
    models = MODELS

    def __init__(self, config: LlamaCppConfig, info: ProviderInfo, plugins: Plugins | None = None) -> None:
        super().__init__(config, info, plugins)
        here = system_for(config.wsl, config.llama_cpp_path, distribution=config.wsl_distribution).here
        folder = ModelFolder(config.models_dir, here) if config.models_dir else None
        self._choice = chosen(Setting(config, folder, here))
        self._mode = self._choice.mode

    def load_model(self, model: str, on_progress: Callable[[LoadProgress], None] | None = None) -> None:
        """Start the server for a model now, so that the first call finds it warm (mode server only).

        Args:
            on_progress: told when it is started, while it loads, and when it is ready.

        Raises:
            UnsupportedFeatureError: another mode is used.
            ExecutionError: it could not be loaded.
        """
        mode = self._mode
        if not isinstance(mode, Server):
            raise UnsupportedFeatureError(f"load_model is for mode server; this is mode {mode.name}")
        self.must_be_open()
        lease = mode.pool.lease(mode.settings(model), progress=on_progress)
        try:
            lease.engine()
        finally:
            lease.release()

    def unload_model(self, model: str) -> int:
        """Unload a model from wherever this provider holds it, unless a call uses it; how many engines that ended."""
        mode = self._mode
        if not isinstance(mode, Pooled):
            raise UnsupportedFeatureError(f"mode {mode.name} holds no models")
        path = mode.setting.find(model).path
        return mode.pool.stop(lambda settings: settings.path == path)

    # What HttpProvider asks for.

    def support(self, request: Request) -> Iterable[ParameterSupport]:
        return self._mode.support()

    def connect(self, model: str | None, request: Request | None, **options: Any) -> Flow[LlamaCppConfig]:
        return self._mode.connect(model, request, **options)

    def disconnect(self, config: LlamaCppConfig) -> None:
        self._mode.disconnect(config)

    def explained(self, error: ExecutionError, config: LlamaCppConfig) -> Flow[ExecutionError]:
        return self._mode.explained(error, config)

    def answer_flow(self, request: Request, *, stream: bool) -> Flow[None]:
        self._mode.refuse(request)
        notes = tuple(Warned(note) for note in self._mode.notes(request))
        if notes:
            yield Emit(notes)
        yield from self._mode.answer(self, request, stream=stream)

    def http_answer_flow(self, request: Request, *, stream: bool) -> Flow[None]:
        """Answer over HTTP: for modes."""
        return super().answer_flow(request, stream=stream)

    def http_tokens_flow(self, text: str, model: str | None) -> Flow[int]:
        """Count tokens over HTTP: for modes."""
        return self.operate(TOKENIZE, text, model, model=model)

    def models_flow(self) -> Flow[list[ModelInfo]]:
        return self._mode.models(self)

    def tokens_flow(self, text: str, model: str | None = None) -> Flow[int]:
        return self._mode.tokens(self, text, model)

    def embeddings_flow(self, texts: Sequence[str], model: str | None) -> Flow[list[list[float]]]:
        return self.operate(EMBEDDINGS, texts, model, model=model, embedding=True)

    def ranking_flow(
        self, query: str, documents: Sequence[str], model: str | None, limit: int | None
    ) -> Flow[list[Ranked]]:
        return self.operate(RANKING, query, documents, model, limit, model=model, ranking=True)

    def check_flow(self) -> Flow[object]:
        yield Do(self._mode.check)
        return (yield from self.models_flow())

    def details(self) -> Mapping[str, Any]:
        """Which mode is used and why, and which models are loaded."""
        return {
            "mode": self._mode.name,
            "mode_reason": self._choice.reason,
            "models_dir": self.config.models_dir,
            **self._mode.details(),
        }

    def close(self) -> None:
        """Close all connections and stop all engines."""
        super().close()
        self._mode.close()
