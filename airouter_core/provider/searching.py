"""What search needs of a provider: vectors of texts, and documents by how well they fit a query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, overload

from ..errors import ParameterError
from ..flow.steps import Flow
from ..values.catalog import Ranked
from ..values.vectors import one_for_each
from .asking import texts_of
from .both import both
from .operations import takes
from .seam import ConfigT, ProviderSeam


class SearchMethods(ProviderSeam[ConfigT], Generic[ConfigT]):
    """The methods that users call for it, and the two flows that a provider with these capabilities implements."""

    def embeddings_flow(self, texts: Sequence[str], model: str | None) -> Flow[list[list[float]]]:
        """One vector for each text; overridden by providers with the capability ``embeddings``.

        Further arguments by name, such as ``dimensions``, are then arguments of :meth:`create_embedding` too.
        """
        raise self.lacks("embeddings")

    def ranking_flow(
        self, query: str, documents: Sequence[str], model: str | None, limit: int | None
    ) -> Flow[list[Ranked]]:
        """Order documents by how well they fit; overridden by providers with the capability ``rerank``."""
        raise self.lacks("rerank")

    def vectors_flow(
        self, text_or_list: str | Sequence[str], model: str | None = None, **options: Any
    ) -> Flow[list[float] | list[list[float]]]:
        """A vector for a text, or a list of vectors for a list of texts, in its order.

        Args:
            model: the provider's usual one unless given, where it has one.
            options: what else this provider takes, such as ``dimensions``: numbers in a vector.

        Raises:
            UnsupportedFeatureError: this provider makes none.
            ParameterError: a text is empty, there is none, or an option is none of this provider's.
            ExecutionError: the call failed.
        """
        self.require("embeddings")
        texts = texts_of(text_or_list)
        for name in options:
            if not takes(self.embeddings_flow, name):
                raise ParameterError(f"{self.info.name} takes no {name!r} for embeddings")
        vectors = yield from self.embeddings_flow(texts, model, **options)
        one_for_each(texts, vectors)
        return vectors[0] if isinstance(text_or_list, str) else vectors

    if TYPE_CHECKING:
        # What a flow cannot say: the result is a vector or a list of them, as the argument is a text or several.

        @overload
        def create_embedding(self, text_or_list: str, model: str | None = None, **options: Any) -> list[float]: ...  # pyright: ignore[reportOverlappingOverload]  # a str is a Sequence[str]

        @overload
        def create_embedding(
            self, text_or_list: Sequence[str], model: str | None = None, **options: Any
        ) -> list[list[float]]: ...

        def create_embedding(self, text_or_list: Any, model: str | None = None, **options: Any) -> Any: ...

        @overload
        async def acreate_embedding(
            self, text_or_list: str, model: str | None = None, **options: Any
        ) -> list[float]: ...

        @overload
        async def acreate_embedding(
            self, text_or_list: Sequence[str], model: str | None = None, **options: Any
        ) -> list[list[float]]: ...

        async def acreate_embedding(self, text_or_list: Any, model: str | None = None, **options: Any) -> Any: ...
    else:
        create_embedding, acreate_embedding = both(vectors_flow, kind="embedding", name="create_embedding")

    def rerank_flow(
        self, query: str, documents: Sequence[str], model: str | None = None, *, limit: int | None = None
    ) -> Flow[list[Ranked]]:
        """Order documents by how well they fit a query, the best first.

        Args:
            limit: how many of the best are wanted; all unless given.

        Raises:
            UnsupportedFeatureError: this provider has no model for it.
            ParameterError: there is no query, or no document.
            ExecutionError: the call failed.
        """
        self.require("rerank")
        if not isinstance(query, str) or not query:
            raise ParameterError("rerank needs a query")
        given = [documents] if isinstance(documents, str) else list(documents)
        if not given or not all(isinstance(document, str) for document in given):
            raise ParameterError("rerank needs documents, each a string")
        ranked = yield from self.ranking_flow(query, given, model, limit)
        best = sorted(ranked, key=lambda document: document.score, reverse=True)
        return best if limit is None else best[:limit]

    rerank, arerank = both(rerank_flow, kind="rerank", name="rerank")
