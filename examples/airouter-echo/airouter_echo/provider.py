"""EchoProvider: a provider without a wire implements two methods."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from airouter_core.config.fields import setting
from airouter_core.config.provider import ProviderConfig
from airouter_core.errors import ConfigurationError, ModelNotFoundError
from airouter_core.flow.steps import Flow, done
from airouter_core.provider.facade import Provider
from airouter_core.values.catalog import ModelInfo
from airouter_core.values.events import Finish, StreamEvent, StreamStart, TextDelta, UsageReported
from airouter_core.values.request import Request
from airouter_core.values.usage import Usage


@attrs.frozen(kw_only=True)
class EchoConfig(ProviderConfig):
    """Its settings."""

    prefix: str = setting("string", default="", description="words to begin each answer with")


class EchoProvider(Provider[EchoConfig]):
    """Answers with the last message."""

    _closed = False

    def models_flow(self) -> Flow[list[ModelInfo]]:
        return done(self.listed)

    def listed(self) -> list[ModelInfo]:
        return [ModelInfo(id="echo", name="Echo", provider=self.info.name)]

    def events(self, request: Request, *, stream: bool) -> Iterator[StreamEvent]:
        if self._closed:
            raise ConfigurationError("this echo provider was closed; create another one")
        if request.model != "echo":
            raise ModelNotFoundError(f"echo has one model, 'echo', and not {request.model!r}", provider=self.info.name)
        words = f"{self.config.prefix}{request.messages[-1].text}".split(" ")
        limit = request.parameter("max_tokens", len(words))
        yield StreamStart(model=request.model)
        for position, word in enumerate(words[:limit]):
            yield TextDelta(word if position == 0 else f" {word}")
        heard = sum(len(message.text.split()) for message in request.messages)
        yield UsageReported(Usage(input_tokens=heard, output_tokens=len(words[:limit])))
        yield Finish("stop" if limit >= len(words) else "length")

    def close(self) -> None:
        """It holds nothing; but a closed provider must not answer."""
        self._closed = True
