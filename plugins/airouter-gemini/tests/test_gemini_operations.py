"""Models, tokens, embeddings and images of Gemini."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from airouter_core.errors import (
    ContentFilteredError,
    ParameterError,
    ProtocolError,
)
from airouter_core.testing.halves import awaited
from airouter_core.testing.server import LoopbackServer
from airouter_core.values.messages import Message
from airouter_gemini.provider import GeminiProvider

from .google_server import PNG, WEATHER, Google, answered, sent


def test_models_are_listed_page_by_page(
    google: Google, server: LoopbackServer, make: Callable[..., GeminiProvider]
) -> None:
    """With what the list says of each; a model that only embeds can do nothing else."""
    chats = {
        "name": "models/gemini-3.6-flash",
        "displayName": "Gemini 3.6 Flash",
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
        "thinking": True,
    }
    embeds = {"name": "models/gemini-embedding-2", "supportedGenerationMethods": ["embedContent"]}
    google.answers = [{"models": [chats], "nextPageToken": "a/b"}, {"models": [embeds]}]
    first, second = make().list_models()
    assert (first.id, first.name, first.context_length, first.max_output_tokens) == (
        "models/gemini-3.6-flash",
        "Gemini 3.6 Flash",
        1_048_576,
        65_536,
    )
    assert first.capabilities is not None
    assert {"chat", "reasoning", "token_counting"} <= set(first.capabilities)
    assert "embeddings" not in first.capabilities
    assert second.capabilities == ("embeddings",)
    assert [request.path for request in server.requests] == [
        "/v1beta/models?pageSize=1000",
        "/v1beta/models?pageSize=1000&pageToken=a%2Fb",
    ]


def test_tokens_are_counted_for_all_that_a_call_sends(
    google: Google, server: LoopbackServer, make: Callable[..., GeminiProvider]
) -> None:
    """A text alone, and a whole call inside a request; on Vertex AI beside each other."""
    google.answers = [{"totalTokens": 12}]
    assert make().count_tokens("Hello") == 12
    assert server.requests[-1].path == "/v1beta/models/gemini-flash-latest:countTokens"
    assert sent(server) == {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
    messages = [Message.system("Be brief."), Message.user("Hello")]
    assert make().count_request_tokens("gemini-3.6-flash", messages, tools=[WEATHER]) == 12
    whole = sent(server)["generateContentRequest"]
    assert whole["model"] == "models/gemini-3.6-flash"
    assert whole.keys() == {"model", "contents", "systemInstruction", "tools"}
    vertex = make(vertex=True)
    assert awaited(vertex, lambda it: it.acount_request_tokens("gemini-3.6-flash", messages, tools=[WEATHER])) == 12
    assert sent(server).keys() == {"contents", "systemInstruction", "tools"}
    google.answers = [{}]
    with pytest.raises(ProtocolError, match="totalTokens"):
        make().count_tokens("Hello")


def test_embeddings_are_made_in_batches(
    google: Google, server: LoopbackServer, make: Callable[..., GeminiProvider]
) -> None:
    """A hundred at once, in their order."""
    sizes = (100, 100, 50)
    google.answers = [{"embeddings": [{"values": [float(size), 0.5]}] * size} for size in sizes]
    vectors = make().create_embedding(["text"] * 250, dimensions=2, task="RETRIEVAL_QUERY")
    assert [vector[0] for vector in vectors] == [100.0] * 200 + [50.0] * 50
    assert [len(sent(server, position)["requests"]) for position in range(3)] == list(sizes)
    assert sent(server)["requests"][0] == {
        "model": "models/gemini-embedding-2",
        "content": {"parts": [{"text": "text"}]},
        "taskType": "RETRIEVAL_QUERY",
        "outputDimensionality": 2,
    }
    google.answers = [{"embeddings": [{"values": [1.0]}]}]
    with pytest.raises(ProtocolError, match="1 embeddings for 2 texts"):
        make().create_embedding(["a", "b"])
    assert awaited(make(), lambda one: one.acreate_embedding("a")) == [1.0]


def test_vertex_embeds_by_other_methods(
    google: Google, server: LoopbackServer, make: Callable[..., GeminiProvider]
) -> None:
    """The newest models one text at a time, older ones by predict."""
    provider = make(vertex=True)
    google.answers = [{"embedding": {"values": [1.0]}}, {"embedding": {"values": [2.0]}}]
    assert provider.create_embedding(["a", "b"]) == [[1.0], [2.0]]
    assert server.requests[-1].path.endswith("/models/gemini-embedding-2:embedContent")
    google.answers = [{"predictions": [{"embeddings": {"values": [3.0]}}]}]
    assert provider.create_embedding(["a"], "text-embedding-005", dimensions=1, task="CLUSTERING") == [[3.0]]
    assert server.requests[-1].path.endswith("/models/text-embedding-005:predict")
    assert sent(server) == {
        "instances": [{"content": "a", "task_type": "CLUSTERING"}],
        "parameters": {"outputDimensionality": 1},
    }


def test_images_are_made_and_saved(
    google: Google, server: LoopbackServer, make: Callable[..., GeminiProvider], tmp_path: Path
) -> None:
    """By a model that answers with pictures; a refusal is an error that says why."""
    data = base64.b64encode(PNG).decode()
    google.answers = [answered({"inlineData": {"mimeType": "image/png", "data": data}})]
    made = make().create_image("A cat", size="16:9 2k", save_to=tmp_path / "cat.png")
    assert made == [f"data:image/png;base64,{data}"]
    assert (tmp_path / "cat.png").read_bytes() == PNG
    assert sent(server)["generationConfig"] == {
        "responseModalities": ["IMAGE"],
        "imageConfig": {"aspectRatio": "16:9", "imageSize": "2K"},
    }
    google.answers = [answered(reason="IMAGE_SAFETY")]
    with pytest.raises(ContentFilteredError, match="IMAGE_SAFETY"):
        make().create_image("A cat")
    google.answers = [answered({"text": "I cannot."}, reason="NO_IMAGE")]
    with pytest.raises(ProtocolError, match="I cannot"):
        awaited(make(), lambda one: one.acreate_image("A cat"))
    with pytest.raises(ParameterError, match="16:9"):
        make().create_image("A cat", size="1024x1024")
