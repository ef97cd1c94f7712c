"""Mode server: a llama-server for each model and set of flags, started and stopped by this process."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from airouter_core.errors import ExecutionError
from airouter_core.flow.steps import Do, Flow

from ..config import LlamaCppConfig
from ..engines.memory import shortage
from ..engines.pool import EnginePool
from ..engines.progress import Progress
from ..engines.server import ServerEngine
from ..programs.program import SERVER, Programs
from ..programs.records import folder_of
from ..settings import EngineSettings, settings_for
from .base import Setting
from .pooled import EngineConfig, Pooled

LAST_BREATH = 1.0
"""Seconds within which a broken connection is taken for the server's end."""


class Server(Pooled[ServerEngine]):
    """Servers run beside this process, and end with it."""

    name = "server"

    def __init__(self, setting: Setting, programs: Programs) -> None:
        super().__init__(setting)
        self._programs = programs
        self.pool = EnginePool(
            self.started,
            self._shortage,
            **self._bound("max_servers"),
            keep_alive=self.config.keep_alive,
            patience=self.config.deadline or self.config.timeout,
        )

    def started(self, settings: EngineSettings, progress: Progress | None = None) -> ServerEngine:
        """Start a server; for the pool."""
        return ServerEngine(
            settings,
            self._programs.program(SERVER),
            folder=folder_of(self.config.log_dir),
            patience=self.config.start_timeout,
            progress=progress,
        )

    def explained(self, error: ExecutionError, config: LlamaCppConfig) -> Flow[ExecutionError]:
        engine: ServerEngine | None = config.lease.held if isinstance(config, EngineConfig) and config.lease else None
        if engine is None:
            return error
        death: ExecutionError | None = yield Do(functools.partial(engine.death, LAST_BREATH))
        return death or error

    def check(self) -> None:
        self._programs.program(SERVER)

    def details(self) -> Mapping[str, Any]:
        return {
            **super().details(),
            "program": self._programs.find(SERVER),
            "logs": [engine.log for engine in self.pool.running()],
        }

    def settings(self, model: str) -> EngineSettings:
        """The settings of a call that says nothing more."""
        return settings_for(self.setting.find(model), self.config, self.setting.folder_of(model))

    def _shortage(self, settings: EngineSettings) -> str | None:
        if not self.config.check_memory:
            return None
        problem = shortage(settings)
        return None if problem is None or self._programs.program(SERVER).has_gpu else problem
