"""The endpoints beside chat: what is asked, and how the answer is read.

Source: Ollama, server/routes.go and api/types.go, fb307609.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airouter_core.dialects.chat_completions.endpoints import vectors_of
from airouter_core.errors import ProtocolError
from airouter_core.values.catalog import ModelInfo
from airouter_core.values.usage import count
from airouter_core.values.vectors import vector_of
from airouter_core.wire.failures import is_error
from airouter_core.wire.http import HttpRequest, Operation, json_request
from airouter_core.wire.json import decoded_object, items, text

from .config import OllamaConfig
from .errors import error_in_answer
from .keep_alive import duration
from .models import RunningModel, listed_model, running_model
from .wire import headers_of

SHOWN = frozenset({"details", "model_info", "modelfile", "template", "capabilities", "parameters", "license", "system"})
"""One of them stands in what is said of a model."""


def ask(config: OllamaConfig, method: str, path: str, payload: Any = None) -> HttpRequest:
    """A request to this server, with its key."""
    return json_request(config, method, path, payload, headers=headers_of(config))


def answer_of(body: bytes) -> dict[str, Any]:
    """The object of an answer.

    Raises:
        ProviderError: it is an error, although its status was 200.
    """
    answer = decoded_object(body)
    if answer.get("error"):
        raise error_in_answer(answer["error"], body[:4000].decode("utf-8", "replace"))
    return answer


def _listed(body: bytes) -> list[ModelInfo]:
    return [listed_model(entry) for entry in _models(body)]


def _running(body: bytes) -> list[RunningModel]:
    return [running_model(entry) for entry in _models(body)]


def _models(body: bytes) -> list[Mapping[str, Any]]:
    answer = answer_of(body)
    if "models" not in answer:
        raise ProtocolError("ollama sent a list of models without models; check that base_url is an Ollama server")
    return [
        entry
        for entry in items(answer["models"])
        if isinstance(entry, Mapping) and (text(entry.get("name")) or text(entry.get("model")))
    ]


def _embed(config: OllamaConfig, texts: Sequence[str], model: str, truncate: bool) -> HttpRequest:
    body: dict[str, Any] = {"model": model, "input": list(texts), "truncate": truncate}
    if config.keep_alive is not None:
        body["keep_alive"] = duration(config.keep_alive)
    return ask(config, "POST", "api/embed", body)


def _vectors(body: bytes) -> list[list[float]]:
    answer = answer_of(body)
    if "data" in answer:
        return vectors_of(body)
    vectors = items(answer.get("embeddings")) or [answer.get("embedding")]
    if not all(isinstance(vector, list) and vector for vector in vectors):
        raise ProtocolError("ollama sent no embeddings")
    return list(map(vector_of, vectors))


def _unload(config: OllamaConfig, model: str, path: str, empty: str) -> HttpRequest:
    return ask(config, "POST", path, {"model": model, empty: [], "keep_alive": "0s", "stream": False})


def _evaluate(config: OllamaConfig, text_: str, model: str) -> HttpRequest:
    body = {
        "model": model,
        "prompt": text_,
        "raw": True,
        "stream": False,
        "truncate": False,
        "options": {"num_predict": 1},
    }
    return ask(config, "POST", "api/generate", body)


def _evaluated(body: bytes) -> int:
    tokens = count(answer_of(body).get("prompt_eval_count"))
    if tokens is None:
        raise ProtocolError("ollama did not say how many tokens it read")
    return tokens


def _shown(body: bytes) -> dict[str, Any]:
    answer = answer_of(body)
    if SHOWN.isdisjoint(answer):
        raise ProtocolError("ollama sent nothing about a model; check that base_url is an Ollama server")
    return answer


def _done(body: bytes) -> None:
    if body.strip() and is_error(answer := answer_of(body)):
        raise error_in_answer(answer, body[:4000].decode("utf-8", "replace"))


TAGS = Operation(build=lambda config: ask(config, "GET", "api/tags"), parse=_listed)
RUNNING = Operation(build=lambda config: ask(config, "GET", "api/ps"), parse=_running)
SHOW = Operation(build=lambda config, model: ask(config, "POST", "api/show", {"model": model}), parse=_shown)
VERSION = Operation(
    build=lambda config: ask(config, "GET", "api/version"), parse=lambda body: text(answer_of(body).get("version"))
)
EMBED = Operation(build=_embed, parse=_vectors)
EVALUATE = Operation(build=_evaluate, parse=_evaluated)
UNLOAD = Operation(build=_unload, parse=_done)
DELETE = Operation(build=lambda config, model: ask(config, "DELETE", "api/delete", {"model": model}), parse=_done)
COPY = Operation(
    build=lambda config, source, target: ask(config, "POST", "api/copy", {"source": source, "destination": target}),
    parse=_done,
)
BLOB = Operation(build=lambda config, digest: ask(config, "HEAD", f"api/blobs/{digest}"), parse=lambda body: True)
