"""The endpoints that stand beside generateContent: models, tokens, embeddings.

Source: ``models.py`` of SDK google-genai 3.6.1, and recorded answers. Vertex AI names and bundles some of it otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from airouter_core.errors import ProtocolError
from airouter_core.values.catalog import ModelInfo
from airouter_core.values.request import Request
from airouter_core.values.usage import count
from airouter_core.values.value import Value
from airouter_core.values.vectors import vector_of
from airouter_core.wire.http import HttpRequest, Operation, json_request
from airouter_core.wire.json import decoded_object, items, mapping, text

from .config import GeminiConfig
from .parts import KEY, Json
from .profile import family_of
from .request import content_body, contents, credentials

LARGEST_PAGE = 1000
TEXTS_AT_ONCE = 100
"""Texts that one request for embeddings may hold (Google's page on embeddings)."""
ONE_BY_ONE = "gemini-embedding-2"
"""What the names of models begin with that Vertex AI asks for one text at a time, by ``embedContent``."""


def model_request(config: GeminiConfig, model: str, method: str, body: Any) -> HttpRequest:
    """A request to one of the methods of a model."""
    return json_request(config, "POST", f"{config.resource(model)}:{method}", body, headers=credentials(config))


# Listing models.


class ModelPage(Value, frozen=True):
    """One page of the list of models; ``next`` is what to ask the next one with, or ``None``."""

    entries: tuple[Mapping[str, Any], ...]
    next: str | None


def _build_models(config: GeminiConfig, token: str | None) -> HttpRequest:
    path = "publishers/google/models" if config.vertex else "models"
    query = f"?pageSize={LARGEST_PAGE}" + (f"&pageToken={quote(token, safe='')}" if token else "")
    return json_request(config, "GET", path + query, headers=credentials(config))


def _parse_models(body: bytes) -> ModelPage:
    page = decoded_object(body)
    listed = page.get("models", page.get("publisherModels"))
    if not isinstance(listed, list) and page:
        raise ProtocolError("the provider sent a list of models without models")
    entries = tuple(entry for entry in items(listed) if isinstance(entry, Mapping) and text(entry.get("name")))
    return ModelPage(entries, text(page.get("nextPageToken")) or None)


MODEL_PAGE: Operation[ModelPage] = Operation(build=_build_models, parse=_parse_models)


def model_of(entry: Mapping[str, Any], capabilities: Sequence[str]) -> ModelInfo:
    """A model as the list describes it. It names no prices, and no modalities.

    Args:
        capabilities: of the provider; those that the list tells of are the model's only where it says so.
    """
    methods = {str(method) for method in items(entry.get("supportedGenerationMethods"))}
    lacks: set[str] = set()
    if not {"embedContent", "batchEmbedContents"} & methods:
        lacks.add("embeddings")
    if "countTokens" not in methods:
        lacks.add("token_counting")
    thinks = entry.get("thinking")
    if thinks is False or (thinks is None and not family_of(entry["name"]).thinks):
        lacks.add("reasoning")
    chats = "generateContent" in methods
    own = tuple(name for name in capabilities if name not in lacks) if chats else ("embeddings",)
    return ModelInfo(
        id=entry["name"],
        name=text(entry.get("displayName")) or entry["name"],
        provider=KEY,
        description=text(entry.get("description")) or None,
        context_length=count(entry.get("inputTokenLimit")),
        max_output_tokens=count(entry.get("outputTokenLimit")),
        family=entry["name"].rpartition("/")[2].partition("-")[0],
        capabilities=(own if chats or "embeddings" not in lacks else ()) if methods else None,
        raw=dict(entry),
    )


# Counting tokens.

COUNTED = ("contents", "systemInstruction", "tools", "generationConfig")
"""What Vertex AI takes of a body to count."""


def _build_count(config: GeminiConfig, request: Request) -> HttpRequest:
    bare = contents(request, config)
    body: Json = content_body(request, config)
    if config.vertex or (body == bare and body.keys() == {"contents"}):
        return model_request(config, request.model, "countTokens", {key: body[key] for key in COUNTED if key in body})
    whole = {"model": config.resource(request.model), **body}
    return model_request(config, request.model, "countTokens", {"generateContentRequest": whole})


def _parse_count(body: bytes) -> int:
    answer = decoded_object(body)
    counted = count(answer.get("totalTokens"))
    if counted is None:
        raise ProtocolError("the provider sent a count of tokens without totalTokens")
    return counted


COUNT_TOKENS: Operation[int] = Operation(build=_build_count, parse=_parse_count)


# Embeddings.


class Embedding(Value, frozen=True, kw_only=True):
    """What vectors are wished for.

    Attributes:
        dimensions: numbers in a vector, where the model can make it shorter.
        task: what they are for, in Google's words, such as ``"RETRIEVAL_QUERY"``.
    """

    model: str
    dimensions: int | None = None
    task: str | None = None

    @property
    def is_single(self) -> bool:
        """Whether Vertex AI embeds one text at a time with this model."""
        return self.model.rpartition("/")[2].startswith(ONE_BY_ONE)

    def described(self, said: Json) -> Json:
        """The fields of one request, as ``embedContent`` has them."""
        more = {"taskType": self.task, "outputDimensionality": self.dimensions}
        return {**said, **{name: value for name, value in more.items() if value is not None}}


def _build_embeddings(config: GeminiConfig, wished: Embedding, texts: Sequence[str]) -> HttpRequest:
    said = [{"content": {"parts": [{"text": item}]}} for item in texts]
    if not config.vertex:
        model = config.resource(wished.model)
        requests = [{"model": model, **wished.described(item)} for item in said]
        return model_request(config, wished.model, "batchEmbedContents", {"requests": requests})
    if wished.is_single:
        return model_request(config, wished.model, "embedContent", wished.described(said[0]))
    task = {} if wished.task is None else {"task_type": wished.task}
    body: Json = {"instances": [{"content": item, **task} for item in texts]}
    if wished.dimensions is not None:
        body["parameters"] = {"outputDimensionality": wished.dimensions}
    return model_request(config, wished.model, "predict", body)


def _parse_embeddings(body: bytes) -> list[list[float]]:
    answer = decoded_object(body)
    found = items(answer.get("embeddings")) or items(answer.get("predictions"))
    if single := mapping(answer.get("embedding")):
        found = [single]
    if not found:
        raise ProtocolError("the provider sent no embeddings")
    entries = (mapping(entry) for entry in found)
    return [vector_of(mapping(entry.get("embeddings", entry)).get("values")) for entry in entries]


EMBEDDINGS: Operation[list[list[float]]] = Operation(build=_build_embeddings, parse=_parse_embeddings)


def texts_at_once(config: GeminiConfig, wished: Embedding) -> int:
    """How many texts one request may hold."""
    return 1 if config.vertex and wished.is_single else TEXTS_AT_ONCE
