"""A provider for the tests of programs: it answers what the test says, and remembers what it was asked.

It is a whole provider, so that parameters, tools, streams, hooks and both halves are what they are with a real one;
only the answer is the test's. It needs no network, no key and no patching::

    provider = fake_provider("Paris.")
    assert program_under_test(provider) == "Paris."
    assert provider.asked[0].messages[-1].text == "What is the capital of France?"
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

from ..config.provider import ProviderConfig
from ..errors import ConfigurationError
from ..flow.steps import Flow, done
from ..plugins.registry import Plugins
from ..profile.declarations import FULL_CHAT, Capability, ParameterSupport, ProviderInfo
from ..provider.facade import Provider
from ..values.canonical import CANONICAL
from ..values.catalog import ModelInfo
from ..values.events import Finish, StreamEvent, StreamStart, TextDelta, UsageReported
from ..values.replaying import events_of
from ..values.request import Request
from ..values.response import Response
from ..values.tokens import estimate_tokens
from ..values.usage import Usage

Answer = str | Response | Exception
"""A text, a whole response (with calls of tools, reasoning, a finish reason), or an error that the call is to raise."""

MODEL = "fake-model"
CAPABILITIES: tuple[Capability, ...] = (
    *FULL_CHAT,
    "vision",
    "documents",
    "audio_input",
    "reasoning",
    "embeddings",
)
NUMBERS = 8
"""In each vector."""


class FakeProvider(Provider[ProviderConfig]):
    """Answers what it was told to; made by :func:`fake_provider`.

    Attributes:
        asked: each chat, in order, as the provider got it: checked, with the parameters in force.
    """

    def __init__(
        self, answers: Sequence[Answer | Callable[[Request], Answer]], info: ProviderInfo, plugins: Plugins | None
    ) -> None:
        super().__init__(ProviderConfig(), info, plugins)
        self._answers = answers
        self.asked: list[Request] = []

    def models_flow(self) -> Flow[list[ModelInfo]]:
        return done(lambda: [ModelInfo(id=MODEL, name=MODEL, provider=self.info.name)])

    def embeddings_flow(self, texts: Sequence[str], model: str | None) -> Flow[list[list[float]]]:
        return done(
            lambda: [[byte / 255 for byte in hashlib.sha256(text.encode()).digest()[:NUMBERS]] for text in texts]
        )

    def events(self, request: Request, *, stream: bool) -> Iterator[StreamEvent]:
        answer = self._next(request)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Response):
            yield from events_of(answer)
            return
        yield StreamStart(model=request.model)
        for position, word in enumerate(answer.split(" ")):
            yield TextDelta(word if position == 0 else f" {word}")
        heard = sum(estimate_tokens(message.text) for message in request.messages)
        yield UsageReported(Usage(input_tokens=heard, output_tokens=estimate_tokens(answer)))
        yield Finish("stop")

    def _next(self, request: Request) -> Answer:
        place = len(self.asked) if len(self._answers) > 1 else 0
        self.asked.append(request)
        if place >= len(self._answers):
            raise ConfigurationError(f"this fake provider has {len(self._answers)} answers, and was asked once more")
        answer = self._answers[place]
        return answer if isinstance(answer, str | Response | Exception) else answer(request)


def fake_provider(
    *answers: Answer | Callable[[Request], Answer], name: str = "fake", plugins: Plugins | None = None
) -> FakeProvider:
    """A provider that asks nobody.

    Args:
        answers: one that is given each time, or several in their order; a function makes one from the request. An empty
            text unless given.
        name: of the provider, as in ``response.provider``.
        plugins: whose hooks see the calls; none unless given.
    """
    info = ProviderInfo(
        name=name,
        description="Answers what a test says",
        target=f"{__name__}:FakeProvider",
        kind="local",
        capabilities=CAPABILITIES,
        parameters=tuple(ParameterSupport(row.name, row.name) for row in CANONICAL),
    )
    return FakeProvider(answers or ("",), info, plugins)
