"""GeminiProvider: Gemini models by Google's own API, and what Google alone has beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, overload

import attrs

from airouter_core.errors import ParameterError, ProtocolError
from airouter_core.flow.steps import Do, Flow
from airouter_core.profile.declarations import ProviderInfo
from airouter_core.provider.facade import Surroundings
from airouter_core.provider.preparation import ChatArguments, Messages
from airouter_core.values.catalog import ModelInfo
from airouter_core.values.pictures import prepared_target, save
from airouter_core.values.request import Request
from airouter_core.wire.http import Wire

from .cache_calls import CacheCalls
from .config import GeminiConfig
from .endpoints import COUNT_TOKENS, EMBEDDINGS, MODEL_PAGE, Embedding, model_of, texts_at_once
from .file_calls import FileCalls
from .images import IMAGE_MODEL, IMAGES, ImageOrder
from .interactions.wire import INTERACTIONS
from .profile import successor_of
from .tokens import Tokens
from .wire import GENERATE

WIRES: Mapping[str, Wire] = {"generate": GENERATE, "interactions": INTERACTIONS}
COUNTING_MODEL = "gemini-flash-latest"
"""Whose tokens are counted when no model is named."""
EMBEDDING_MODEL = "gemini-embedding-2"


class GeminiProvider(FileCalls, CacheCalls):
    """Gemini, at AI Studio or on Vertex AI."""

    wire = GENERATE

    def __init__(self, config: GeminiConfig, info: ProviderInfo, plugins: Surroundings | None = None) -> None:
        super().__init__(config, info, plugins)
        self._tokens = Tokens()

    def wire_for(self, request: Request) -> Wire:
        """The wire of the API that the call names, or the configuration."""
        api = request.provider_options.get("api", self.config.api)
        if api not in WIRES:
            raise ParameterError(f"provider_options: api is one of {', '.join(WIRES)}, not {api!r}")
        return WIRES[api]

    def successor_of(self, model: str) -> str | None:
        """What to ask in place of a model that Google has shut down; gateways may still have one of its name."""
        return successor_of(model) if self.config.is_vendor and not self.config.vertex else None

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

    @overload
    def create_embedding(  # type: ignore[overload-overlap]  # a str is a Sequence[str] to the type system
        self, text_or_list: str, model: str | None = None, *, dimensions: int | None = None, task: str | None = None
    ) -> list[float]: ...

    @overload
    def create_embedding(
        self,
        text_or_list: Sequence[str],
        model: str | None = None,
        *,
        dimensions: int | None = None,
        task: str | None = None,
    ) -> list[list[float]]: ...

    def create_embedding(
        self,
        text_or_list: str | Sequence[str],
        model: str | None = None,
        *,
        dimensions: int | None = None,
        task: str | None = None,
    ) -> list[float] | list[list[float]]:
        """A vector for a text, or a list of vectors for a list of texts, in its order.

        Args:
            model: ``gemini-embedding-2`` unless given.
            dimensions: numbers in a vector, where the model can make it shorter.
            task: what the vectors are for, in Google's words, such as ``"RETRIEVAL_QUERY"``.

        Raises:
            ParameterError: a text is empty, or there is none.
            ExecutionError: the call failed.
        """
        texts = self._texts(text_or_list)
        vectors = self.run(self.embeddings_flow(texts, model, dimensions, task))
        return vectors[0] if isinstance(text_or_list, str) else vectors

    async def acreate_embedding(
        self,
        text_or_list: str | Sequence[str],
        model: str | None = None,
        *,
        dimensions: int | None = None,
        task: str | None = None,
    ) -> list[float] | list[list[float]]:
        """:meth:`create_embedding`, awaited."""
        texts = self._texts(text_or_list)
        vectors = await self.arun(self.embeddings_flow(texts, model, dimensions, task))
        return vectors[0] if isinstance(text_or_list, str) else vectors

    def embeddings_flow(
        self, texts: Sequence[str], model: str | None, dimensions: int | None = None, task: str | None = None
    ) -> Flow[list[list[float]]]:
        """Make embeddings, as many at once as Google takes."""
        wished = Embedding(model=model or EMBEDDING_MODEL, dimensions=dimensions, task=task)
        size = texts_at_once(self.config, wished)
        vectors: list[list[float]] = []
        for start in range(0, len(texts), size):
            some = texts[start : start + size]
            made = yield from self.operate(EMBEDDINGS, wished, some, model=wished.model)
            if len(made) != len(some):
                raise ProtocolError(f"the provider sent {len(made)} embeddings for {len(some)} texts")
            vectors += made
        return vectors

    # Images.

    def create_image(
        self,
        prompt: str,
        model: str = IMAGE_MODEL,
        size: str | None = None,
        *,
        save_to: str | os.PathLike[str] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> list[str]:
        """Make images. To change one, put it into a chat with such a model.

        Args:
            size: a ratio such as ``"16:9"``, or ``"1K"``, ``"2K"``, ``"4K"``; both with a space between them.
            save_to: a file, or a folder that gets ``image-1.png`` and so on; missing folders are made.
            options: further fields of the body, as they are.

        Returns:
            A ``data:`` URL with the content of each.

        Raises:
            ConfigurationError: the call is wrong, or ``save_to`` cannot be written.
            ContentFilteredError: the prompt or the image is not allowed.
            ExecutionError: the call failed.
        """
        order = ImageOrder(prompt=prompt, model=model, size=size, options=options or {})
        return self.run(self.images_flow(order, save_to))

    async def acreate_image(
        self,
        prompt: str,
        model: str = IMAGE_MODEL,
        size: str | None = None,
        *,
        save_to: str | os.PathLike[str] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> list[str]:
        """:meth:`create_image`, awaited."""
        order = ImageOrder(prompt=prompt, model=model, size=size, options=options or {})
        return await self.arun(self.images_flow(order, save_to))

    def images_flow(self, order: ImageOrder, save_to: str | os.PathLike[str] | None = None) -> Flow[list[str]]:
        """The flow of :meth:`create_image`."""
        target: str | None = None
        if save_to is not None:
            target = yield Do(lambda: prepared_target(save_to))
        pictures = yield from self.operate(IMAGES, order, model=order.model)
        if target is not None:
            yield Do(lambda: save(target, pictures))
        return [picture.data_url for picture in pictures]
