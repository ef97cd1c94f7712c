"""OpenRouterProvider: chat as everywhere, and what only OpenRouter has: a searched catalogue, costs, the account."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from airouter_core.flow.layers import tapped
from airouter_core.flow.steps import Do, Emit, Flow, delegated
from airouter_core.plugins.registry import Plugins
from airouter_core.profile.declarations import ParameterSupport, ProviderInfo
from airouter_core.provider.both import both
from airouter_core.values.catalog import ModelInfo
from airouter_core.values.events import CostReported
from airouter_core.values.messages import FilePart
from airouter_core.values.pictures import prepared_target, save
from airouter_core.values.request import Request
from airouter_core.values.vectors import one_for_each

from .account_calls import AccountCalls
from .batch_calls import BatchCalls
from .catalog import Catalog, all_pages
from .config import OpenRouterConfig
from .media import EMBEDDINGS, IMAGES, Picture
from .models import MODELS
from .profile import narrowed
from .search import Price, Search
from .spent import Spent
from .wire import WIRE

PathLike = str | os.PathLike[str]


class OpenRouterProvider(AccountCalls, BatchCalls):
    """Models of many vendors, reached through OpenRouter."""

    wire = WIRE

    def __init__(
        self,
        config: OpenRouterConfig,
        info: ProviderInfo,
        plugins: Plugins | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(config, info, plugins)
        self._catalog = Catalog(config.catalog_ttl, clock)
        self._spent = Spent()

    def takes_field(self, field: str) -> bool:
        """All: what this API passes on to the many vendors behind it is more than can be known here."""
        return True

    # Chat: as inherited, with the cost counted, and with what the list of models knows of parameters.

    @property
    def total_cost(self) -> Decimal:
        """US dollars that this object's calls have cost, as OpenRouter reported: chats, streams, embeddings, images.

        An answer that was left before its end is not in it, since its cost never came: :meth:`get_generation` knows.
        """
        return self._spent.total

    def answer_flow(self, request: Request, *, stream: bool) -> Flow[None]:
        return delegated(super().answer_flow(request, stream=stream), through=tapped(self._spent.see))

    def support(self, request: Request) -> Iterable[ParameterSupport]:
        """As declared; less what the model does not take, where the list of models has been read."""
        return narrowed(super().support(request), request, self._catalog.last_seen)

    def details(self) -> Mapping[str, Any]:
        """What the calls of this object have cost so far."""
        return {"total_cost": self.total_cost}

    # Models.

    def models_flow(self, output: str = "text", *, refresh: bool = False) -> Flow[list[ModelInfo]]:
        """The models that can be used now; works without a key. The list is kept for ``catalog_ttl`` seconds.

        Prices are :class:`~decimal.Decimal`, US dollars per token. That of a router, which only its choice decides, is
        infinite, so that the model with the lowest price is a model with a price.

        Args:
            output: what they make: ``"text"``, ``"image"``, ``"audio"``, ``"embeddings"``, several with commas, or
                ``"all"``.
            refresh: ask again, whatever is kept.

        Raises:
            ExecutionError: they cannot be listed.
        """
        kept = None if refresh else self._catalog.fresh(output)
        if kept is not None:
            return list(kept)
        # Text is what the API lists unless told otherwise.
        query = {} if output == "text" else {"output_modalities": output}
        models: list[ModelInfo] = yield from all_pages(lambda asked: self.operate(MODELS, asked), query)
        self._catalog.put(output, tuple(models))
        return models

    list_models, alist_models = both(models_flow, kind="models", name="list_models")

    def search_flow(
        self,
        query: str | None = None,
        provider: str | None = None,
        max_price: Price | None = None,
        min_context: int | None = None,
        supports: str | Sequence[str] | None = None,
        free: bool | None = None,
        sort: str | None = None,
        *,
        output: str = "text",
    ) -> Flow[list[ModelInfo]]:
        """The models that match everything that is given; searched here, in the list that :meth:`list_models` keeps.

        Args:
            query: words that must all occur in id, name or description.
            provider: who made the model, such as ``"openai"``.
            max_price: US dollars **per million tokens**: a number for the prompt, or a mapping with
                ``prompt`` and ``completion``.
            min_context: tokens.
            supports: what it must take, such as ``"tools"`` or ``["image", "json_schema"]``.
            free: true for models that cost nothing, false for the others.
            sort: ``"price"``, ``"context"``, ``"newest"`` or ``"name"``.
            output: as for :meth:`list_models`.

        Raises:
            ParameterError: a price or an order is none.
            ExecutionError: the models cannot be listed.
        """
        search = Search(query, provider, max_price, min_context, supports, free, sort)
        return search.among((yield from self.models_flow(output)))

    search_models, asearch_models = both(search_flow, kind="models", name="search_models")

    # Embeddings and pictures.

    def embeddings_flow(
        self,
        texts: Sequence[str],
        model: str | None,
        dimensions: int | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Flow[list[list[float]]]:
        """Make embeddings.

        Args:
            model: ``embedding_model`` of the configuration unless given.
            dimensions: numbers in a vector, where the model can make it shorter.
            options: further fields of the API, and routing, as in ``provider_options``.
        """
        more = {**(options or {}), **({} if dimensions is None else {"dimensions": dimensions})}
        asked = model or self.config.embedding_model
        vectors, cost = yield from self.operate(EMBEDDINGS, texts, asked, more, model=asked)
        if cost is not None:
            self._spent.add(cost)
            yield Emit((CostReported(cost),))
        return one_for_each(texts, vectors)

    def images_flow(
        self,
        prompt: str,
        model: str | None = None,
        size: str | None = None,
        *,
        n: int | None = None,
        aspect_ratio: str | None = None,
        quality: str | None = None,
        background: str | None = None,
        output_format: str | None = None,
        seed: int | None = None,
        references: Sequence[FilePart] = (),
        save_to: PathLike | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Flow[list[str]]:
        """Make pictures.

        Args:
            model: ``image_model`` of the configuration unless given; ``list_models(output="image")`` names them.
            size: ``"1024x1024"``, or a tier: ``"512"``, ``"1K"``, ``"2K"``, ``"4K"``; the vendor's choice unless given.
            n: how many, 1 to 10; a vendor may make fewer.
            aspect_ratio: such as ``"16:9"``.
            quality: ``"low"``, ``"medium"``, ``"high"``, ``"auto"``.
            background: ``"transparent"``, ``"opaque"``, ``"auto"``.
            output_format: ``"png"``, ``"jpeg"``, ``"webp"``, ``"svg"``.
            references: pictures to start from.
            save_to: a file, or a folder that gets ``image-1.png`` and so on; missing folders are made.
            options: further fields of the API, and routing, as in ``provider_options``.

        Returns:
            A ``data:`` URL for each picture.

        Raises:
            ConfigurationError: the call is wrong, or ``save_to`` cannot be written.
            ExecutionError: the call failed.
        """
        picture = Picture(
            prompt=prompt,
            model=model or self.config.image_model,
            size=size,
            n=n,
            aspect_ratio=aspect_ratio,
            quality=quality,
            background=background,
            output_format=output_format,
            seed=seed,
            references=references,
            options=options or {},
        )
        target: str | None = None
        if save_to is not None:
            target = yield Do(lambda: prepared_target(save_to))
        pictures, cost = yield from self.operate(IMAGES, picture, model=picture.model)
        if cost is not None:
            self._spent.add(cost)
            yield Emit((CostReported(cost),))
        if target is not None:
            yield Do(lambda: save(target, pictures))
        return [part.data_url for part in pictures]

    create_image, acreate_image = both(images_flow, kind="image", name="create_image")
