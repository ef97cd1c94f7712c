"""GeminiProvider: Gemini models by Google's own API, and what Google alone has beside it."""

from __future__ import annotations

import functools
import os
from collections.abc import Container, Mapping, Sequence
from typing import Any

import attrs

from airouter_core.errors import ParameterError
from airouter_core.flow.portions import in_portions
from airouter_core.flow.steps import Do, Flow
from airouter_core.plugins.registry import Plugins
from airouter_core.profile.declarations import ProviderInfo
from airouter_core.profile.losses import Loss
from airouter_core.provider.both import both
from airouter_core.provider.counting import CountsRequests
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
from .profile import family_of, successor_of
from .request import NO_RESOLUTION
from .tokens import Tokens
from .wire import GENERATE

WIRES: Mapping[str, Wire] = {"generate": GENERATE, "interactions": INTERACTIONS}
EMBEDDING_MODEL = "gemini-embedding-2"


class GeminiProvider(CountsRequests[GeminiConfig], FileCalls, CacheCalls):
    """Gemini, at AI Studio or on Vertex AI."""

    counting_model = "gemini-flash-latest"
    wire = GENERATE

    def __init__(self, config: GeminiConfig, info: ProviderInfo, plugins: Plugins | None = None) -> None:
        super().__init__(config, info, plugins)
        self._tokens = Tokens()

    def wire_for(self, request: Request) -> Wire:
        """The wire of the API that the call names, or the configuration."""
        api = request.provider_options.get("api", self.config.api)
        if api not in WIRES:
            raise ParameterError(f"provider_options: api is one of {', '.join(WIRES)}, not {api!r}")
        return WIRES[api]

    def losses_of(self, request: Request) -> Container[Loss]:
        wire = self.wire_for(request)
        sees_closely = wire is not GENERATE or family_of(request.model).signed
        return wire.lacks if sees_closely else wire.lacks | NO_RESOLUTION

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

    def counted_flow(self, request: Request) -> Flow[int]:
        return self.operate(COUNT_TOKENS, request, model=request.model)

    # Embeddings.

    def embeddings_flow(
        self, texts: Sequence[str], model: str | None, dimensions: int | None = None, task: str | None = None
    ) -> Flow[list[list[float]]]:
        """Make embeddings, as many at once as Google takes.

        Args:
            model: ``gemini-embedding-2`` unless given.
            dimensions: numbers in a vector, where the model can make it shorter.
            task: what the vectors are for, in Google's words, such as ``"RETRIEVAL_QUERY"``.
        """
        wished = Embedding(model=model or EMBEDDING_MODEL, dimensions=dimensions, task=task)
        ask = functools.partial(self.operate, EMBEDDINGS, wished, model=wished.model)
        return in_portions(texts, texts_at_once(self.config, wished), ask)

    # Images.

    def images_flow(
        self,
        prompt: str,
        model: str = IMAGE_MODEL,
        size: str | None = None,
        *,
        save_to: str | os.PathLike[str] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Flow[list[str]]:
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
        target: str | None = None
        if save_to is not None:
            target = yield Do(lambda: prepared_target(save_to))
        pictures = yield from self.operate(IMAGES, order, model=order.model)
        if target is not None:
            yield Do(lambda: save(target, pictures))
        return [picture.data_url for picture in pictures]

    create_image, acreate_image = both(images_flow, kind="image", name="create_image")
