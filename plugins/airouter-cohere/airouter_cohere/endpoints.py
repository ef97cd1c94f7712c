"""The endpoints that stand beside chat: models, tokens, embeddings, reranking.

Source: SDK cohere 7.3.1, and recorded answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from airouter_core.errors import ProtocolError
from airouter_core.profile.declarations import CHAT, Capability
from airouter_core.values.catalog import ModelInfo, Ranked
from airouter_core.values.usage import count
from airouter_core.values.value import Value
from airouter_core.values.vectors import finite, vector_of
from airouter_core.wire.http import HttpRequest, Operation, json_request
from airouter_core.wire.json import decoded_object, items, mapping, text

from .config import CohereConfig
from .request import KEY, Json, credentials

LARGEST_PAGE = 1000
TEXTS_AT_ONCE = 96
"""Texts that one request for embeddings may hold (API reference, "embed")."""
ENDPOINTS: Mapping[str, Capability] = {"embed": "embeddings", "rerank": "rerank"}
FEATURES: Mapping[str, Capability] = {
    "tools": "tools",
    "tool_choice": "tool_choice",
    "json_mode": "json",
    "json_schema": "json_schema",
    "vision": "vision",
    "reasoning": "reasoning",
    "logprobs": "logprobs",
}
"""What Cohere calls what models can do, in our words."""


# Listing models.


class ModelPage(Value, frozen=True):
    """One page of the list of models; ``next`` is what to ask the next one with, or ``None``."""

    entries: tuple[Mapping[str, Any], ...]
    next: str | None


def _build_models(config: CohereConfig, token: str | None) -> HttpRequest:
    query = f"?page_size={LARGEST_PAGE}" + (f"&page_token={quote(token, safe='')}" if token else "")
    return json_request(config, "GET", f"v1/models{query}", headers=credentials(config))


def _parse_models(body: bytes) -> ModelPage:
    page = decoded_object(body)
    if not isinstance(page.get("models"), list):
        raise ProtocolError("the provider sent a list of models without models")
    entries = tuple(entry for entry in page["models"] if isinstance(entry, Mapping) and text(entry.get("name")))
    return ModelPage(entries, text(page.get("next_page_token")) or None)


MODEL_PAGE: Operation[ModelPage] = Operation(build=_build_models, parse=_parse_models)


def model_of(entry: Mapping[str, Any]) -> ModelInfo:
    """A model as the list describes it. It names no prices."""
    endpoints = {str(name) for name in items(entry.get("endpoints"))}
    features = {str(name) for name in items(entry.get("features"))}
    found: list[str] = [*(CHAT if "chat" in endpoints else ())]
    found += [ours for theirs, ours in FEATURES.items() if theirs in features]
    found += [ours for theirs, ours in ENDPOINTS.items() if theirs in endpoints]
    length = entry.get("context_length")
    retired = entry.get("is_deprecated") is True
    return ModelInfo(
        id=entry["name"],
        name=entry["name"],
        provider=KEY,
        context_length=count(int(length)) if isinstance(length, int | float) and length else None,
        family=entry["name"].partition("-")[0],
        input_modalities=("text", "image") if "vision" in features else ("text",) if endpoints else None,
        capabilities=tuple(found) if endpoints else None,
        problem="the vendor will retire this model, or has" if retired else None,
        raw=dict(entry),
    )


# Counting tokens.


def _build_tokens(config: CohereConfig, said: str, model: str) -> HttpRequest:
    body = {"text": said, "model": model}
    return json_request(config, "POST", "v1/tokenize", body, headers=credentials(config))


def _parse_tokens(body: bytes) -> int:
    tokens = decoded_object(body).get("tokens")
    if not isinstance(tokens, list):
        raise ProtocolError("the provider sent a tokenized text without tokens")
    return len(tokens)


TOKENIZE: Operation[int] = Operation(build=_build_tokens, parse=_parse_tokens)


# Embeddings.


class Embedding(Value, frozen=True, kw_only=True):
    """What vectors are wished for.

    Attributes:
        input_type: what they are for: ``"search_document"``, ``"search_query"``, ``"classification"``,
            ``"clustering"``.
        dimensions: numbers in a vector, where the model can make it shorter.
    """

    model: str
    input_type: str
    dimensions: int | None = None


def _build_embeddings(config: CohereConfig, wished: Embedding, texts: Sequence[str]) -> HttpRequest:
    body: Json = {
        "model": wished.model,
        "input_type": wished.input_type,
        "texts": list(texts),
        "embedding_types": ["float"],
    }
    if wished.dimensions is not None:
        body["output_dimension"] = wished.dimensions
    return json_request(config, "POST", "v2/embed", body, headers=credentials(config))


def _parse_embeddings(body: bytes) -> list[list[float]]:
    found = decoded_object(body).get("embeddings")
    # Version 1 sent the list itself, version 2 one for each kind of number.
    vectors = mapping(found).get("float") if isinstance(found, Mapping) else found
    if not isinstance(vectors, list) or not vectors:
        raise ProtocolError("the provider sent no embeddings")
    return list(map(vector_of, vectors))


EMBEDDINGS: Operation[list[list[float]]] = Operation(build=_build_embeddings, parse=_parse_embeddings)


# Reranking.


def _build_ranking(
    config: CohereConfig, query: str, documents: Sequence[str], model: str, limit: int | None
) -> HttpRequest:
    body: Json = {"model": model, "query": query, "documents": list(documents)}
    if limit is not None:
        body["top_n"] = limit
    return json_request(config, "POST", "v2/rerank", body, headers=credentials(config))


def _parse_ranking(body: bytes) -> list[Ranked]:
    results = decoded_object(body).get("results")
    if not isinstance(results, list):
        raise ProtocolError("the provider sent a ranking without results")
    return [_ranked(mapping(result)) for result in results]


def _ranked(result: Mapping[str, Any]) -> Ranked:
    index = count(result.get("index"))
    if index is None:
        raise ProtocolError("the provider sent a ranking without index")
    return Ranked(index, finite(result.get("relevance_score"), "a ranking with a score"))


RANKING: Operation[list[Ranked]] = Operation(build=_build_ranking, parse=_parse_ranking)
