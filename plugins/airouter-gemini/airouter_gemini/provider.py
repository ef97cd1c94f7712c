"""GeminiProvider: Gemini models by Google's own API, and what Google alone has beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from airouter_core.flow.steps import Do, Flow
from airouter_core.profile.declarations import ProviderInfo
from airouter_core.provider.facade import Surroundings
from airouter_core.provider.http import HttpProvider
from airouter_core.provider.preparation import ChatArguments, Messages
from airouter_core.values.catalog import ModelInfo
from airouter_core.values.request import Request

from .config import GeminiConfig
from .endpoints import COUNT_TOKENS, EMBEDDINGS, MODEL_PAGE, Embedding, model_of, texts_at_once
from .tokens import Tokens
from .wire import GENERATE

COUNTING_MODEL = "gemini-flash-latest"
"""Whose tokens are counted when no model is named."""
EMBEDDING_MODEL = "gemini-embedding-2"


class GeminiProvider(HttpProvider[GeminiConfig]):
    """Gemini, at AI Studio or on Vertex AI."""

    wire = GENERATE

    def __init__(self, config: GeminiConfig, info: ProviderInfo, plugins: Surroundings | None = None) -> None:
        super().__init__(config, info, plugins)
        self._tokens = Tokens()

    def connect(self, model: str | None, request: Request | None, **options: Any) -> Flow[GeminiConfig]:
        """Find a token, where calls are made with one."""
        config = self.config
        if not config.uses_token or config.access_token is not None or config.own_credential:
            return config
        token, project = yield Do(self._tokens.token)
        return attrs.evolve(config, access_token=token, project=config.project or project)

    def models_flow(self) -> Flow[list[ModelInfo]]:
        """List all models, page by page."""
        found: dict[str, ModelInfo] = {}
        token: str | None = None
        while True:
            page = yield from self.operate(MODEL_PAGE, token)
            before = len(found)
            found.update({entry["name"]: model_of(entry, self.info.capabilities) for entry in page.entries})
            token = page.next
            if token is None or len(found) == before:
                return list(found.values())

    # Counting tokens.

    def count_tokens(self, text: Messages, model: str | None = None) -> int:
        """How many tokens a text (or a list of messages) is, as Google counts it.

        Args:
            text: also messages, as :meth:`chat` takes them.
            model: whose tokens; those of the newest Gemini Flash unless given.

        Raises:
            ConfigurationError: there is no key, or the messages cannot be sent.
            ExecutionError: the provider was asked and failed.
        """
        return self.run(self.tokens_flow(text, model))

    def count_request_tokens(self, model: str, messages: Messages, **arguments: Any) -> int:
        """How many tokens a call would send: with its tools, its system prompt and its files.

        Args:
            arguments: as :meth:`chat` takes them: ``parameters``, ``tools``, ``tool_choice``, ``response_format``,
                ``provider_options``.
        """
        return self.run(self.request_tokens_flow(ChatArguments(model=model, messages=messages, **arguments)))

    async def acount_request_tokens(self, model: str, messages: Messages, **arguments: Any) -> int:
        """:meth:`count_request_tokens`, awaited."""
        return await self.arun(self.request_tokens_flow(ChatArguments(model=model, messages=messages, **arguments)))

    def tokens_flow(self, text: Messages, model: str | None) -> Flow[int]:
        return self.request_tokens_flow(ChatArguments(model=model or COUNTING_MODEL, messages=text))

    def request_tokens_flow(self, given: ChatArguments) -> Flow[int]:
        """The flow of :meth:`count_request_tokens`."""
        request, _ = self._preparer.prepare(given)
        return (yield from self.operate(COUNT_TOKENS, request, model=request.model))

    # Embeddings.

    def embeddings_flow(
        self, texts: Sequence[str], model: str | None, dimensions: int | None = None, task: str | None = None
    ) -> Flow[list[list[float]]]:
        """Make embeddings, as many at once as Google takes."""
        wished = Embedding(model=model or EMBEDDING_MODEL, dimensions=dimensions, task=task)
        size = texts_at_once(self.config, wished)
        vectors: list[list[float]] = []
        for start in range(0, len(texts), size):
            vectors += yield from self.operate(EMBEDDINGS, wished, texts[start : start + size], model=wished.model)
        return vectors
