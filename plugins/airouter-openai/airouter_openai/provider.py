"""OpenAIProvider: OpenAI's chat APIs behind one interface, and what only OpenAI has."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from airouter_core.errors import ParameterError, ProtocolError, RetiredModelWarning
from airouter_core.flow.exchange import Exchange, Policy
from airouter_core.flow.portions import in_portions
from airouter_core.flow.steps import Do, Flow
from airouter_core.provider.both import both
from airouter_core.provider.preparation import Caution
from airouter_core.values.catalog import ModelInfo
from airouter_core.values.media import media_type_of
from airouter_core.values.messages import FilePart
from airouter_core.values.pictures import prepared_target, save
from airouter_core.values.request import Request
from airouter_core.values.response import Response
from airouter_core.wire.http import HttpRequest, Wire

from .batch_calls import BatchCalls
from .catalog import MODEL, MODELS
from .completions import COMPLETIONS
from .config import Api
from .families import RETIRED, family_of
from .images import IMAGES, SUCCESSOR, ImageOrder, settled
from .moderation import DEFAULT_MODEL, MODERATIONS, Judged, ModerationResult, judged_texts, moderation_input
from .profile import api_of
from .tokens import count_locally
from .wire import CHAT, EMBEDDINGS, INPUT_TOKENS, RESPONSES, RETRIEVAL

WIRES: Mapping[Api, Wire] = {"responses": RESPONSES, "chat": CHAT, "completions": COMPLETIONS}
DEFAULT_EMBEDDING_MODEL = "text-embedding-3-small"
TEXTS_AT_ONCE = 2048
"""Inputs that one request for embeddings may hold (API reference, "create embeddings")."""


class OpenAIProvider(BatchCalls):
    """OpenAI, or a server that speaks its API."""

    wire = CHAT
    models = MODELS

    def wire_for(self, request: Request) -> Wire:
        """The wire of the API that the configuration names, or that the model is best at."""
        return WIRES[api_of(request, self.config)]

    def successor_of(self, model: str) -> str | None:
        """What to ask in place of a model that OpenAI has shut down; other servers may still have one of its name."""
        successor = RETIRED.get(model)
        return successor if successor is not None and self.config.is_vendor else None

    # Embeddings.

    def embeddings_flow(
        self, texts: Sequence[str], model: str | None, dimensions: int | None = None
    ) -> Flow[list[list[float]]]:
        """Make embeddings.

        Args:
            model: ``text-embedding-3-small`` at OpenAI unless given; a compatible server takes its own.
            dimensions: numbers in a vector, where the model can make it shorter (``text-embedding-3-*``).
        """
        more: dict[str, Any] = {}
        if self.config.is_vendor:
            model = model or DEFAULT_EMBEDDING_MODEL
            # A quarter of the bytes; not all compatible servers can.
            more["encoding_format"] = "base64"
        if dimensions is not None:
            more["dimensions"] = dimensions
        return in_portions(texts, TEXTS_AT_ONCE, lambda some: self.operate(EMBEDDINGS, some, model, more))

    # Answers that were left with OpenAI.

    def response_flow(self, response_id: str) -> Flow[Response]:
        """An answer that OpenAI keeps: one made in the background, or stored (``store`` in the configuration).

        While it is still being made, its ``raw_finish_reason`` is ``"queued"`` or ``"in_progress"``.

        Raises:
            ModelNotFoundError: there is none of this id (any longer).
            ExecutionError: the call failed, or the answer did.
        """
        return self.operate(RETRIEVAL, response_id)

    get_response, aget_response = both(response_flow, kind="management", name="get_response")

    # Models and tokens.

    def model_flow(self, model: str) -> Flow[ModelInfo]:
        """What is known of one model.

        Raises:
            ModelNotFoundError: there is none of this name.
        """
        found = yield from self.operate(MODEL, model)
        if not found:
            raise ProtocolError(f"the provider described no model when asked for {model!r}")
        return found[0]

    get_model, aget_model = both(model_flow, kind="models", name="get_model")

    def tokens_flow(self, text: str, model: str | None = None) -> Flow[int]:
        """Count tokens: by OpenAI's endpoint for models of the Responses API, else by tiktoken, else by an estimate.

        The endpoint counts the text as a message, so that a handful of tokens for the turn itself is included.
        """
        asked = self.config.api == "responses" or (self.config.api == "auto" and self.config.is_vendor)
        if model is not None and asked and (self.config.api == "responses" or family_of(model).api == "responses"):
            return (yield from self.operate(INPUT_TOKENS, text, model))
        counted: int = yield Do(lambda: count_locally(text, model))
        return counted

    # Images.

    def images_flow(
        self,
        prompt: str,
        model: str = SUCCESSOR,
        size: str | None = None,
        *,
        n: int | None = None,
        quality: str | None = None,
        background: str | None = None,
        output_format: str | None = None,
        save_to: str | os.PathLike[str] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Flow[list[str]]:
        """Make images.

        Args:
            model: a retired one (``dall-e-3``…) stands for its successor, with a warning.
            size: such as ``"1024x1024"``; the model's choice unless given.
            n: how many, 1 to 10.
            quality: ``"low"``, ``"medium"``, ``"high"``, ``"auto"``; more on newer models.
            background: ``"transparent"``, ``"opaque"`` or ``"auto"``.
            output_format: ``"png"``, ``"jpeg"`` or ``"webp"``.
            save_to: a file, or a folder that gets ``image-1.png`` and so on; missing folders are made.
            options: further fields of the API, as they are.

        Returns:
            An address of each image: a ``data:`` URL with its content, or a web address where the server gives one.

        Raises:
            ConfigurationError: the call is wrong, or ``save_to`` cannot be written.
            ContentFilteredError: the prompt or the image is not allowed.
            ExecutionError: the call failed.
        """
        if not isinstance(prompt, str) or not prompt:
            raise ParameterError("create_image needs a prompt")
        order, note = settled(
            ImageOrder(
                prompt=prompt,
                model=model,
                size=size,
                count=n,
                quality=quality,
                background=background,
                output_format=output_format,
                options=options or {},
            )
        )
        if note is not None:
            self.warn((Caution(RetiredModelWarning, ("model", model), note),))
        target: str | None = None
        if save_to is not None:
            target = yield Do(lambda: prepared_target(save_to))
        addresses = yield from self.operate(IMAGES, order)
        if target is not None:
            pictures = []
            for address in addresses:
                pictures.append((yield from self._picture(address)))
            yield Do(lambda: save(target, pictures))
        return addresses

    create_image, acreate_image = both(images_flow, kind="image", name="create_image")

    def _picture(self, address: str) -> Flow[FilePart]:
        if address.startswith("data:"):
            return FilePart.from_url(address)
        # The address is of another host: neither the key nor the configured headers go there.
        exchange = Exchange(HttpRequest("GET", address), self.wire.parse_error, Policy.of(self.config))
        response, data = yield from exchange.fetch(IMAGES.max_bytes)
        said = response.headers.get("content-type", "").partition(";")[0]
        return FilePart(said if said.startswith("image/") else media_type_of(data), data=data)

    # Moderation.

    def moderation_flow(self, content: Judged | Sequence[Judged], model: str = DEFAULT_MODEL) -> Flow[ModerationResult]:
        """Have a content judged: a text, an image (:class:`FilePart`), or a list of both that belong together.

        Raises:
            ParameterError: the content is empty or of another kind.
            ExecutionError: the call failed.
        """
        return (yield from self.operate(MODERATIONS, moderation_input(content), model))[0]

    moderate_content, amoderate_content = both(moderation_flow, kind="moderation", name="moderate_content")

    def moderations_flow(self, texts: Sequence[str], model: str = DEFAULT_MODEL) -> Flow[list[ModerationResult]]:
        """Have several texts judged, each for itself, with one request.

        Raises:
            ParameterError: there is none, or one is empty.
            ExecutionError: the call failed.
        """
        return self.operate(MODERATIONS, judged_texts(texts), model)

    moderate_contents, amoderate_contents = both(moderations_flow, kind="moderation", name="moderate_contents")
