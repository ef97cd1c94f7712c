"""Mode embedded: llama.cpp inside this process."""

from __future__ import annotations

from collections.abc import Iterable

from airouter_core.values.request import Request

from ..engines.embedded import EmbeddedEngine, has_gpu, is_installed, not_installed
from ..engines.memory import shortage
from ..engines.pool import EnginePool
from ..settings import EngineSettings
from .base import Setting
from .pooled import Pooled


class Embedded(Pooled[EmbeddedEngine]):
    """Models are loaded into this process, and answer on a loopback port."""

    name = "embedded"

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.pool = EnginePool(
            lambda settings, progress: EmbeddedEngine(settings),
            self._shortage,
            **self._bound("max_engines"),
            keep_alive=self.config.keep_alive,
            patience=self.config.deadline or self.config.timeout,
        )

    def notes(self, request: Request) -> Iterable[str]:
        yield from super().notes(request)
        if self.config.special_flags:
            yield "special_flags of the configuration were not used: mode embedded starts no program"

    def check(self) -> None:
        if not is_installed():
            raise not_installed()

    def _shortage(self, settings: EngineSettings) -> str | None:
        if not self.config.check_memory or not is_installed():
            return None
        problem = shortage(settings)
        return None if problem is None or has_gpu() else problem
