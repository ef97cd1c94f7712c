"""What modes embedded and server share: engines from a pool, and one wire to them all."""

from __future__ import annotations

import copy
import functools
import re
import weakref
from collections.abc import Mapping
from typing import Any, Generic

import attrs

from airouter_core.errors import ParameterError
from airouter_core.flow.steps import Do, Emit, Flow
from airouter_core.values.events import StreamStart, Warned
from airouter_core.values.request import Request

from ..config import LlamaCppConfig
from ..engines.pool import Engine, EnginePool, EngineT, Lease
from ..settings import beyond_training, settings_for
from ..wire import lacks_model_name
from .base import Mode, OverHttp, Setting

DURATION = re.compile(r"(-?\d+(?:\.\d+)?)\s*(ms|s|m|h)?")
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, None: 1}


@attrs.frozen(kw_only=True)
class EngineConfig(LlamaCppConfig):
    """The configuration of one call: its engine's address and key in place of a server's."""

    lease: Lease[Any] | None = attrs.field(default=None, repr=False)


class Pooled(Mode, Generic[EngineT]):
    """A mode whose engines are shared and kept warm."""

    pool: EnginePool[EngineT]

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._configs: weakref.WeakKeyDictionary[Engine, EngineConfig] = weakref.WeakKeyDictionary()

    def _bound(self, setting: str) -> dict[str, Any]:
        """How many engines there may be: on a port of its own there is room for one, and the idle one gives way."""
        if self.config.port:
            return {"limit": 1, "more": "leave port out"}
        return {"limit": getattr(self.config, setting), "more": f"raise {setting}"}

    def connect(self, model: str | None, request: Request | None, **options: Any) -> Flow[LlamaCppConfig]:
        if model is None:
            raise lacks_model_name()
        purpose = {name: bool(options.get(name)) for name in ("embedding", "ranking")}

        def settings() -> Any:
            return settings_for(
                self.setting.find(model), self.config, self.setting.folder_of(model), request, **purpose
            )

        asked = request.parameter("keep_alive") if request is not None else None
        lease = self.pool.lease((yield Do(settings)), None if asked is None else seconds_in(asked))
        try:
            # The claim is made before the wait: a call that is cancelled meanwhile gives it back.
            engine = yield Do(lease.engine)
        except BaseException:
            lease.release()
            raise
        return self._config_for(engine, lease)

    def _config_for(self, engine: Engine, lease: Lease[Any]) -> EngineConfig:
        # Checking forty settings takes as long as a short answer, so that is done once for each engine.
        checked = self._configs.get(engine)
        if checked is None:
            checked = self._configs[engine] = engine_config(
                self.config, base_url=engine.address, api_key=engine.api_key
            )
        config = copy.copy(checked)
        object.__setattr__(config, "lease", lease)
        return config

    def disconnect(self, config: LlamaCppConfig) -> None:
        if isinstance(config, EngineConfig) and config.lease is not None:
            config.lease.release()

    def answer(self, provider: OverHttp, request: Request, *, stream: bool) -> Flow[None]:
        if request.parameter("context", self.config.default_context) is not None:
            yield from self._beyond_training(request)
        yield from super().answer(provider, request, stream=stream)
        if "," in request.model:
            # The engine goes by another name; see EngineSettings.alias.
            found = yield Do(functools.partial(self.setting.find, request.model))
            yield Emit((StreamStart(found.id),))

    def _beyond_training(self, request: Request) -> Flow[None]:
        found = yield Do(functools.partial(self.setting.find, request.model))
        if (note := beyond_training(found, self.config, request.parameters)) is not None:
            yield Emit((Warned(note),))

    def details(self) -> Mapping[str, Any]:
        return {"loaded": [engine.settings.path for engine in self.pool.running()]}

    def close(self) -> None:
        self.pool.close()


def engine_config(config: LlamaCppConfig, **changes: Any) -> EngineConfig:
    """The configuration with an engine's address in it."""
    values = {field.name: getattr(config, field.name) for field in attrs.fields(LlamaCppConfig)}
    return EngineConfig(**{**values, **changes})


def seconds_in(value: Any) -> float:
    """How long to keep a model: seconds, or a text such as ``"10m"``; negative for good.

    Raises:
        ParameterError: it says no duration.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    match = DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ParameterError(f"parameter keep_alive must be seconds, or a duration such as '10m', not {value!r}")
    return float(match[1]) * UNITS[match[2]]
