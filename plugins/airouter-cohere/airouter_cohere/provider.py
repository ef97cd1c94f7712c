"""CohereProvider: chat, and what Cohere has beside it."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from airouter_core.errors import ProtocolError
from airouter_core.flow.portions import in_portions
from airouter_core.flow.steps import Flow
from airouter_core.provider.http import HttpProvider
from airouter_core.values.catalog import ModelInfo, Ranked

from .config import CohereConfig
from .endpoints import EMBEDDINGS, MODEL_PAGE, RANKING, TEXTS_AT_ONCE, TOKENIZE, Embedding, model_of
from .wire import CHAT

COUNTING_MODEL = "command-a-03-2025"
"""Whose tokens are counted when no model is named."""
EMBEDDING_MODEL = "embed-v4.0"
RANKING_MODEL = "rerank-v4.0-pro"
INPUT_TYPE = "search_document"


class CohereProvider(HttpProvider[CohereConfig]):
    """Cohere, or a deployment of its models."""

    wire = CHAT

    def models_flow(self) -> Flow[list[ModelInfo]]:
        """List all models, page by page."""
        found: dict[str, ModelInfo] = {}
        token: str | None = None
        while True:
            page = yield from self.operate(MODEL_PAGE, token)
            before = len(found)
            found.update({entry["name"]: model_of(entry) for entry in page.entries})
            token = page.next
            if token is None or len(found) == before:
                return list(found.values())

    def tokens_flow(self, text: str, model: str | None = None) -> Flow[int]:
        """Count tokens by the vendor's tokenizer; what a turn adds around a text is not counted."""
        return self.operate(TOKENIZE, text, model or COUNTING_MODEL)

    # Embeddings.

    def embeddings_flow(
        self,
        texts: Sequence[str],
        model: str | None,
        input_type: str = INPUT_TYPE,
        dimensions: int | None = None,
    ) -> Flow[list[list[float]]]:
        """Make embeddings, as many at once as Cohere takes.

        Args:
            model: ``embed-v4.0`` unless given.
            input_type: what the vectors are for: ``"search_document"`` for what is to be found, ``"search_query"``
                for what is asked, ``"classification"``, ``"clustering"``.
            dimensions: numbers in a vector, where the model can make it shorter.
        """
        wished = Embedding(model=model or EMBEDDING_MODEL, input_type=input_type, dimensions=dimensions)
        ask = functools.partial(self.operate, EMBEDDINGS, wished, model=wished.model)
        return in_portions(texts, TEXTS_AT_ONCE, ask)

    def ranking_flow(
        self, query: str, documents: Sequence[str], model: str | None, limit: int | None
    ) -> Flow[list[Ranked]]:
        """Order documents by how well they fit a query."""
        ranked = yield from self.operate(RANKING, query, documents, model or RANKING_MODEL, limit)
        if any(one.index >= len(documents) for one in ranked):
            raise ProtocolError(f"the provider ranked more documents than the {len(documents)} it was given")
        return ranked
