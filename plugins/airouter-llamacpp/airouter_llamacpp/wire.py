"""What is llama.cpp's own in the chat-completions format.

Source: llama.cpp, tools/server (0c1e57098), and answers recorded from 0.5.0-dev and 0.7.0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airouter_core.dialects.chat_completions.dialect import LACKS, ChatDialect
from airouter_core.dialects.chat_completions.endpoints import base_model, embeddings_operation, models_operation
from airouter_core.dialects.chat_completions.errors import COMMON_CODES
from airouter_core.errors import (
    BadRequestError,
    ContextLengthError,
    ModelNotFoundError,
    OverloadedError,
    ProtocolError,
    UnsupportedFeatureError,
)
from airouter_core.profile.losses import Loss
from airouter_core.values.catalog import ModelInfo, Ranked
from airouter_core.values.messages import Message, ReasoningPart, ToolResultPart
from airouter_core.values.request import Request
from airouter_core.values.usage import count
from airouter_core.values.vectors import finite
from airouter_core.wire.failures import ErrorTable
from airouter_core.wire.http import HttpRequest, Operation, bearer, json_request
from airouter_core.wire.json import decoded_object, items, mapping, shown

from .config import LlamaCppConfig
from .plugin import ENGINE_FIELDS, LLAMACPP
from .sayings import CODES, read_failure

ERRORS = ErrorTable(
    LLAMACPP.name,
    {
        **COMMON_CODES,
        **CODES,
        "exceed_context_size_error": ContextLengthError,
        "invalid_request_error": BadRequestError,
        "not_found_error": ModelNotFoundError,
        "not_supported_error": BadRequestError,
        "unavailable_error": OverloadedError,
    },
)


def adapt(body: dict[str, Any], request: Request, config: LlamaCppConfig) -> dict[str, Any]:
    """Say what the server would otherwise misunderstand in silence."""
    for field in ENGINE_FIELDS:
        body.pop(field, None)
    choice = request.tool_choice
    if choice is not None and choice.mode == "tool":
        # A named tool is silently taken for "auto"; the one tool, required, means the same.
        body["tools"] = [tool for tool in body["tools"] if tool["function"]["name"] == choice.name]
        body["tool_choice"] = "required"
    if body.get("top_logprobs") is not None and "logprobs" not in body:
        body["logprobs"] = True
    _add_names_of_tools(body, request)
    return body


def _add_names_of_tools(body: dict[str, Any], request: Request) -> None:
    # Templates that show results by the tool's name find it here; OpenAI's format has no place for it.
    results = (part for message in request.messages if message.role == "tool" for part in message.parts)
    names = {part.tool_call_id: part.name for part in results if isinstance(part, ToolResultPart) and part.name}
    for sent in body["messages"] if names else ():
        if sent["role"] == "tool" and sent["tool_call_id"] in names:
            sent["name"] = names[sent["tool_call_id"]]


def sent_message(sent: dict[str, Any], message: Message) -> dict[str, Any]:
    """Send reasoning back where templates look for it, and a refusal as the text that it is: the server knows none."""
    if "refusal" in sent:
        sent["content"] = (sent["content"] or "") + sent.pop("refusal")
    reasoning = "".join(part.text for part in message.parts if isinstance(part, ReasoningPart))
    return {**sent, "reasoning_content": reasoning} if reasoning else sent


DIALECT = ChatDialect(
    provider=LLAMACPP.name,
    errors=ERRORS,
    path="v1/chat/completions",
    adapt=adapt,
    sent_message=sent_message,
    read_failure=read_failure,
    lacks=LACKS - {Loss.THOUGHTS_OF_OTHERS, Loss.RESULT_NAMES} | {Loss.SEALED_THOUGHTS},
)
WIRE = DIALECT.wire()


def _model(entry: Mapping[str, Any]) -> ModelInfo:
    meta = mapping(entry.get("meta"))
    modalities = mapping(entry.get("architecture"))
    weights = meta.get("n_params")
    return base_model(
        LLAMACPP.name,
        entry,
        context_length=meta.get("n_ctx") or meta.get("n_ctx_train"),
        parameters=str(weights) if weights else None,
        size=meta.get("size"),
        input_modalities=tuple(items(modalities.get("input_modalities"))) or None,
        output_modalities=tuple(items(modalities.get("output_modalities"))) or None,
    )


MODELS = models_operation(_model, path="v1/models")
EMBEDDINGS = embeddings_operation(path="v1/embeddings")


def _build_tokenize(config: LlamaCppConfig, text: str, model: str | None) -> HttpRequest:
    body = {"content": text, "add_special": False}
    if model is not None:
        body["model"] = model  # a server that holds several models takes none by itself
    return json_request(config, "POST", "tokenize", body, headers=bearer(config))


def _answer_of(body: bytes) -> Mapping[str, Any]:
    """The object of an answer; an error inside it is one although the status was 200."""
    answer = decoded_object(body)
    if answer.get("error"):
        raise ERRORS.error(read_failure(answer["error"], answer), status=None, body=body, inside=True)
    return answer


def _parse_tokenize(body: bytes) -> int:
    tokens = _answer_of(body).get("tokens")
    if not isinstance(tokens, list):
        raise ProtocolError(f"the server did not say which tokens the text has, but {shown(body)}; check base_url")
    return len(tokens)


def _build_ranking(
    config: LlamaCppConfig, query: str, documents: Sequence[str], model: str | None, limit: int | None
) -> HttpRequest:
    body: dict[str, Any] = {"query": query, "documents": list(documents)}
    if model is not None:
        body["model"] = model
    if limit is not None:
        body["top_n"] = limit
    return json_request(config, "POST", "v1/rerank", body, headers=bearer(config))


def _parse_ranking(body: bytes) -> list[Ranked]:
    results = _answer_of(body).get("results")
    if not isinstance(results, list):
        raise ProtocolError(f"the server sent a ranking without results, but {shown(body)}; check base_url")
    return [_ranked(mapping(result)) for result in results]


def _ranked(result: Mapping[str, Any]) -> Ranked:
    index = count(result.get("index"))
    if index is None:
        raise ProtocolError("the server sent a ranking without index")
    return Ranked(index, finite(result.get("relevance_score"), "a ranking with a score"))


RANKING: Operation[list[Ranked]] = Operation(build=_build_ranking, parse=_parse_ranking)

TOKENIZE = Operation(build=_build_tokenize, parse=_parse_tokenize)


def lacks_model_name() -> UnsupportedFeatureError:
    """What to say when a call needs a model and has none."""
    return UnsupportedFeatureError("llama-cpp needs the name of a model here: pass model=")
