"""Mode remote: a llama-server that somebody else runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airouter_core.errors import ConfigurationError
from airouter_core.flow.steps import Flow, given
from airouter_core.values.catalog import ModelInfo
from airouter_core.values.request import Request

from ..config import LlamaCppConfig
from .base import Mode, OverHttp, Setting


class Remote(Mode):
    """Requests go to ``base_url`` as they are."""

    name = "remote"

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        if not self.config.base_url:
            raise ConfigurationError('llama-cpp: mode "remote" needs the base_url of a running llama-server')

    def connect(self, model: str | None, request: Request | None, **options: Any) -> Flow[LlamaCppConfig]:
        return given(self.config)

    def notes(self, request: Request) -> Iterable[str]:
        yield from super().notes(request)
        if self.config.special_flags:
            yield "special_flags of the configuration were not used: mode remote starts no program"

    def models(self, provider: OverHttp) -> Flow[list[ModelInfo]]:
        return provider.operate(provider.models)
