"""What Bedrock has beside conversations: the models and inference profiles, counts of tokens, embeddings.

Sources: the service models bedrock/2023-04-20 and bedrock-runtime/2023-09-30 (botocore 1.44.8); bodies of embedding
models from recorded answers (2026-08).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from airouter_core.errors import ProtocolError
from airouter_core.values.catalog import ModelInfo
from airouter_core.values.request import Request
from airouter_core.values.usage import count
from airouter_core.values.value import Value
from airouter_core.values.vectors import vector_of
from airouter_core.wire.http import HttpRequest, Operation, bearer, json_request
from airouter_core.wire.json import decoded_object, items, mapping, text

from .config import BedrockConfig
from .plugin import BEDROCK
from .request import converse_body, counted_body
from .wire import model_path

LARGEST_PAGE = 1000
AT_ONCE = 96
"""Texts that one request of Cohere's embedding models may hold."""
PROFILE_ONLY = "INFERENCE_PROFILE"


# Counting tokens.


def _build_count(config: BedrockConfig, request: Request) -> HttpRequest:
    body = counted_body(converse_body(request, config))
    return json_request(config, "POST", model_path(request.model, "count-tokens"), body, headers=bearer(config))


def _parse_count(body: bytes) -> int:
    counted = count(decoded_object(body).get("inputTokens"))
    if counted is None:
        raise ProtocolError("the provider sent a count of tokens without inputTokens")
    return counted


COUNT_TOKENS: Operation[int] = Operation(build=_build_count, parse=_parse_count)
NOT_COUNTED = "doesn't support counting tokens"
"""What is said of models whose tokens the service does not count."""


# Embeddings: each maker's models have bodies of their own.


def takes_several(model: str) -> bool:
    """Whether one request may hold several texts."""
    return "cohere.embed" in model


def _build_embedding(config: BedrockConfig, model: str, texts: Sequence[str]) -> HttpRequest:
    if takes_several(model):
        body: dict[str, Any] = {"texts": list(texts), "input_type": "search_document", "embedding_types": ["float"]}
    elif "amazon.nova" in model:
        said = {"embeddingPurpose": "GENERIC_INDEX", "text": {"truncationMode": "NONE", "value": texts[0]}}
        body = {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": said}
    else:
        body = {"inputText": texts[0]}
    return json_request(config, "POST", model_path(model, "invoke"), body, headers=bearer(config))


def _parse_embedding(body: bytes) -> list[list[float]]:
    answer = decoded_object(body)
    found = answer.get("embedding", answer.get("embeddings"))
    if isinstance(found, Mapping):
        found = found.get("float")
    if isinstance(found, list) and found and isinstance(found[0], Mapping):
        found = [mapping(one).get("embedding") for one in found]
    vectors = [found] if isinstance(found, list) and found and not isinstance(found[0], list) else found
    if not isinstance(vectors, list) or not vectors:
        raise ProtocolError("the provider sent no embeddings")
    return list(map(vector_of, vectors))


EMBED: Operation[list[list[float]]] = Operation(build=_build_embedding, parse=_parse_embedding)


# Listing models, at the service that knows them.


class ProfilePage(Value, frozen=True):
    """One page of inference profiles; ``next`` is what to ask the next one with, or ``None``."""

    entries: tuple[Mapping[str, Any], ...]
    next: str | None


def _build_models(config: BedrockConfig) -> HttpRequest:
    return json_request(config.control(), "GET", "foundation-models", headers=bearer(config))


def _parse_models(body: bytes) -> list[ModelInfo]:
    entries = decoded_object(body).get("modelSummaries")
    if not isinstance(entries, list):
        raise ProtocolError("the provider sent a list of models without modelSummaries")
    return [_model(entry) for entry in map(mapping, entries) if isinstance(entry.get("modelId"), str)]


def _build_profiles(config: BedrockConfig, after: str | None) -> HttpRequest:
    query = {"maxResults": LARGEST_PAGE, **({"nextToken": after} if after else {})}
    return json_request(config.control(), "GET", f"inference-profiles?{urlencode(query)}", headers=bearer(config))


def _parse_profiles(body: bytes) -> ProfilePage:
    page = decoded_object(body)
    entries = (mapping(entry) for entry in items(page.get("inferenceProfileSummaries")))
    known = tuple(entry for entry in entries if isinstance(entry.get("inferenceProfileId"), str))
    return ProfilePage(known, text(page.get("nextToken")) or None)


MODELS: Operation[list[ModelInfo]] = Operation(build=_build_models, parse=_parse_models)
PROFILE_PAGE: Operation[ProfilePage] = Operation(build=_build_profiles, parse=_parse_profiles)


def with_profiles(models: Iterable[ModelInfo], entries: Iterable[Mapping[str, Any]]) -> Iterator[ModelInfo]:
    """The models, and behind them the inference profiles, which can what their models can."""
    known = {model.id: model for model in models}
    profiles = [_profile(entry, known) for entry in entries if entry["inferenceProfileId"] not in known]
    by_model = {_model_id(mapping(profile.raw)): profile.id for profile in reversed(profiles)}
    yield from (_explained(model, by_model.get(model.id)) for model in known.values())
    yield from profiles


def _explained(model: ModelInfo, profile: str | None) -> ModelInfo:
    """The model, with a word on how to ask it where its own id will not do."""
    if model.problem is not None or items(model.raw.get("inferenceTypesSupported")) != [PROFILE_ONLY]:
        return model
    how = f", such as {profile}" if profile else ""
    return msgspec.structs.replace(model, problem=f"it is asked by an inference profile only{how}")


def _model(entry: Mapping[str, Any]) -> ModelInfo:
    reads, makes = (
        tuple(str(word).lower() for word in items(entry.get(name))) for name in ("inputModalities", "outputModalities")
    )
    can = ("chat", *(("stream",) if entry.get("responseStreamingSupported") is True else ())) if "text" in makes else ()
    if "text" in makes and "image" in reads:
        can = (*can, "vision")
    if "embedding" in makes:
        can = (*can, "embeddings")
    ended = mapping(entry.get("modelLifecycle")).get("status") == "EOL"
    return ModelInfo(
        id=entry["modelId"],
        name=text(entry.get("modelName")) or entry["modelId"],
        provider=BEDROCK.name,
        family=text(entry.get("providerName")) or None,
        input_modalities=reads or None,
        output_modalities=makes or None,
        max_output_tokens=count(mapping(entry.get("converse")).get("maxTokensMaximum")),
        capabilities=can or None,
        problem="the service has retired this model; calls that name it fail" if ended else None,
        raw=dict(entry),
    )


def _profile(entry: Mapping[str, Any], known: Mapping[str, ModelInfo]) -> ModelInfo:
    identity = entry["inferenceProfileId"]
    model = known.get(_model_id(entry))
    name = text(entry.get("inferenceProfileName")) or identity
    if model is None:
        return ModelInfo(id=identity, name=name, provider=BEDROCK.name, raw=dict(entry))
    return msgspec.structs.replace(model, id=identity, name=name, problem=None, raw=dict(entry))


def _model_id(entry: Mapping[str, Any]) -> str:
    models = items(entry.get("models"))
    return text(mapping(models[0]).get("modelArn")).rpartition("/")[2] if models else ""
